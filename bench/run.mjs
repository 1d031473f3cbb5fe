#!/usr/bin/env node
// Compares Kura with its peers on the same bytes in one run, round by round, and prints medians and ratios.
//   npm run bench -- [--scale 0.25] [--rounds 3] [--sets random,text,small] [--peers restic,borg] [--keep]
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { prepare } from './data.mjs'
import { measure, median } from './measure.mjs'
import { findPeers, freshFolder } from './peers.mjs'

const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    sets: { type: 'string', default: 'random,text,small' },
    peers: { type: 'string' },
    folder: { type: 'string', default: join(tmpdir(), 'kura-bench') },
  },
})
const scale = Number(values.scale)
const rounds = Number(values.rounds)
const { peers, missing } = findPeers(values.peers?.split(','))
if (missing.length > 0) console.log(`not compared, because not here: ${missing.join(', ')}`)

const rows = new Map()
const record = (work, peer, result) => {
  const row = rows.get(work) ?? new Map()
  rows.set(work, row)
  row.set(peer.name, [...(row.get(peer.name) ?? []), result])
}

for (const set of values.sets.split(',')) {
  const source = prepare(set, values.folder, scale)
  for (let round = 0; round < rounds; round++)
    for (const peer of peers) {
      const work = freshFolder(join(values.folder, 'work', peer.name))
      const env = peer.env(work)
      const step = ([command, args]) => measure(command, args, env)
      step(peer.create(work))
      if (set === 'text' && peer.compress) step(peer.compress(work))
      record(`${set}: first snapshot`, peer, step(peer.snapshot(work, source)))
      record(`${set}: unchanged snapshot`, peer, step(peer.snapshot(work, source)))
      const target = join(work, 'restored')
      record(`${set}: restore`, peer, step(peer.restore(work, source, target)))
      record('open the repository', peer, step(peer.status(work)))
      rmSync(work, { recursive: true, force: true })
    }
}

const seconds = (n) => `${n.toFixed(2)} s`
const report = []
console.log(
  `\nmedians of ${rounds}, ${cpus().length} cores, scale ${scale}; in brackets the peer's figure divided by Kura's (above 1: Kura is better)\n`,
)
for (const [work, row] of rows) {
  const cells = []
  const ours = row.get('kura')
  for (const [name, results] of row) {
    const wall = median(results.map((r) => r.wall))
    const cpu = median(results.map((r) => r.cpu))
    const rss = median(results.map((r) => r.rss))
    report.push({ work, name, wall, cpu, rss })
    const ratio = (key, value) => (name === 'kura' ? '' : ` (${(value / median(ours.map((r) => r[key]))).toFixed(2)}×)`)
    cells.push(
      `${name.padEnd(7)} wall ${seconds(wall)}${ratio('wall', wall)}  cpu ${seconds(cpu)}${ratio('cpu', cpu)}  memory ${Math.round(rss / 1e6)} MB${ratio('rss', rss)}`,
    )
  }
  console.log(`${work}\n  ${cells.join('\n  ')}`)
}
const results = join(dirname(fileURLToPath(import.meta.url)), 'results')
mkdirSync(results, { recursive: true })
writeFileSync(join(results, 'latest.json'), `${JSON.stringify({ scale, rounds, cores: cpus().length, report }, null, 2)}\n`)
