#!/usr/bin/env node
// Builds dist/kura.node from native/*.c with the system's C compiler. Kura works without it, slower: no compiler is no error.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const compiler = process.env.CC ?? 'cc'
if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
  console.log(`native addon not built: no C compiler (${compiler}). Kura runs without it, slower.`)
  process.exit(0)
}
const headers = createRequire(import.meta.url)('node-api-headers').include_dir
const sources = readdirSync(join(root, 'native'))
  .filter((name) => name.endsWith('.c'))
  .sort()
  .map((name) => join(root, 'native', name))
const target = join(root, 'dist/kura.node')
const partial = `${target}.${process.pid}`
const flags = [
  '-O3',
  '-std=gnu11',
  '-fPIC',
  '-shared',
  '-pthread',
  '-fvisibility=hidden',
  '-DNAPI_VERSION=9',
  '-Wall',
  '-Wextra',
  '-Werror',
]
const system = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []

mkdirSync(dirname(target), { recursive: true })
try {
  execFileSync(compiler, [...flags, ...system, `-I${headers}`, ...sources, '-o', partial, '-ldl'], { stdio: 'inherit' })
  renameSync(partial, target) // a process that has the old one loaded keeps it
} catch {
  rmSync(partial, { force: true })
  console.error('native addon not built: the compiler failed, see above.')
  process.exit(1)
}
