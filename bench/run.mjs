#!/usr/bin/env node
// Measurements by name; without one, the comparison with the peers. Each prints a table and leaves its figures as JSON in bench/results.
//   npm run bench                       first, unchanged and restored snapshots beside restic, borg and, where KOPIA_EXE is set, Kopia
//   npm run bench -- scaling            how cost and memory grow with files and bytes
//   npm run bench -- upkeep             maintenance, verification and mirroring of a large repository
//   npm run bench -- profile            where the time of one command goes
//   npm run bench -- backup             writing into backup/ of a mount, and its flushes
//   npm run bench -- storage            snapshots and restores on servers of this machine
//   npm run bench -- far                looking around in a mount behind a slow line
//   npm run bench -- NAME --help        the options of a measurement
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const parts = new Set(['run', 'data', 'measure', 'peers', 'report', 'svg', 'options', 'tree'])
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.mjs'))
  .map((name) => name.slice(0, -'.mjs'.length))
  .filter((name) => !parts.has(name))
const [first = 'compare', ...rest] = process.argv.slice(2)
const [name, args] = first.startsWith('-') ? ['compare', [first, ...rest]] : [first, rest]
if (!names.includes(name) || !existsSync(join(folder, `${name}.mjs`))) {
  console.error(`no measurement ${name}; there are ${names.join(', ')}`)
  process.exit(1)
}
process.argv.splice(2, process.argv.length, ...args)
await import(join(folder, `${name}.mjs`))
