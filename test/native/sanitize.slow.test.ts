import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scratchFolders } from '../support/scratch.ts'
import { repositoryRoot } from '../support/shared.ts'

const scratch = scratchFolders()
const compiler = process.env['CC'] ?? 'cc'
const sanitizers = '-fsanitize=address,undefined'

/** Full path of a runtime library of the compiler, or undefined. */
function runtime(name: string): string | undefined {
  const found = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout?.trim()
  return found?.startsWith('/') ? found : undefined
}

function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'needs LD_PRELOAD'
  if (spawnSync(compiler, ['--version']).status !== 0) return `no C compiler (${compiler})`
  if (!runtime('libasan.so') || !runtime('libubsan.so')) return `${compiler} has no shared runtime of the sanitizers`
  const source = join(scratch(), 'try.c')
  writeFileSync(source, 'int f(int a) { return a + 1; }\n')
  return spawnSync(compiler, [sanitizers, '-shared', '-fPIC', source, '-o', `${source}.so`]).status === 0
    ? undefined
    : `${compiler} does not take ${sanitizers}`
}

function build(target: string): void {
  const headers = (createRequire(import.meta.url)('node-api-headers') as { include_dir: string }).include_dir
  const folder = join(repositoryRoot, 'native')
  const sources = readdirSync(folder).filter((name) => name.endsWith('.c'))
  const flags = ['-O1', '-g', '-std=gnu11', '-fPIC', '-shared', '-pthread', '-DNAPI_VERSION=9', '-fno-omit-frame-pointer', `-I${headers}`]
  execFileSync(compiler, [...flags, sanitizers, '-fno-sanitize-recover=undefined', ...sources.map((s) => join(folder, s)), '-o', target])
}

const reason = whyNot()

describe.skipIf(reason !== undefined)(
  `the addon under address and undefined behaviour sanitizers${reason ? ` (skipped: ${reason})` : ''}`,
  () => {
    it('does what its tests ask of it without a report', () => {
      const folder = scratch()
      const addon = join(folder, 'kura.node')
      build(addon)
      const preload = [runtime('libasan.so'), runtime('libubsan.so')].join(' ')
      // V8 reserves more address space than the sanitizer likes to see freed late; leaks are not what this looks for.
      const reports = join(folder, 'reports')
      mkdirSync(reports)
      const options = `detect_leaks=0:abort_on_error=1:log_path=${join(reports, 'asan')}`
      const env = {
        ...process.env,
        LD_PRELOAD: preload,
        ASAN_OPTIONS: options,
        UBSAN_OPTIONS: `print_stacktrace=1:${options}`,
        KURA_NATIVE: addon,
      }
      const vitest = join(repositoryRoot, 'node_modules/vitest/vitest.mjs')
      const args = [vitest, 'run', '--project', 'unit', '--pool', 'forks', '--testTimeout', '120000', 'test/native']
      const run = spawnSync(process.execPath, args, { cwd: repositoryRoot, env, encoding: 'utf8', timeout: 280_000 })
      const found = readdirSync(reports)
      expect(found, run.stderr).toEqual([])
      expect(run.status, run.stdout + run.stderr).toBe(0)
      expect(run.stdout).toMatch(/Tests .*passed/)
    })
  },
)
