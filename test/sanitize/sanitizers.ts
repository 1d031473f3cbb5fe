import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

export const compiler = process.env['CC'] ?? 'cc'
const sanitizers = '-fsanitize=address,undefined'
const common = ['-O1', '-g', '-std=gnu11', '-pthread', '-fno-omit-frame-pointer', '-DNAPI_VERSION=9']

/** Full path of a runtime library of the compiler, or undefined. */
export function runtimeLibrary(name: string): string | undefined {
  const found = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout?.trim()
  return found?.startsWith('/') ? found : undefined
}

/** Why nothing can be compiled with the sanitizers here; undefined when it can. `folder` is for a trial. */
export function whyNoSanitizers(folder: string): string | undefined {
  if (process.platform !== 'linux') return 'needs LD_PRELOAD'
  if (spawnSync(compiler, ['--version']).status !== 0) return `no C compiler (${compiler})`
  if (!runtimeLibrary('libasan.so') || !runtimeLibrary('libubsan.so')) return `${compiler} has no shared runtime of the sanitizers`
  const source = join(folder, 'try.c')
  writeFileSync(source, 'int f(int a) { return a + 1; }\n')
  return spawnSync(compiler, [sanitizers, '-shared', '-fPIC', source, '-o', `${source}.so`]).status === 0
    ? undefined
    : `${compiler} does not take ${sanitizers}`
}

/** Compiles C files under the address and undefined behaviour sanitizers; every report of theirs ends the program. */
export function compileSanitized(sources: readonly string[], target: string, flags: readonly string[]): void {
  const headers = (createRequire(import.meta.url)('node-api-headers') as { include_dir: string }).include_dir
  const always = [...common, `-I${headers}`, sanitizers, '-fno-sanitize-recover=undefined']
  execFileSync(compiler, [...always, ...flags, ...sources, '-o', target, '-ldl'])
}
