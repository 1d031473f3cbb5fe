// How cost and memory grow: trees of small files and single large files of growing size, first and unchanged snapshot, Kura and Kopia.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepare } from './data.mjs'
import { measure } from './measure.mjs'
import { readOptions } from './options.mjs'
import { findPeers, freshFolder } from './peers.mjs'
import { Report } from './report.mjs'

const values = readOptions('npm run bench -- scaling …', {
  files: ['10000,100000,1000000', 'numbers of small files'],
  gib: ['1,4', 'sizes of one random file in GiB'],
  peers: ['kopia', 'names of peers, separated by commas'],
})
const { peers } = findPeers(values.peers.split(','))
const report = new Report()
const numbers = (text) => text.split(',').filter(Boolean).map(Number)

for (const count of numbers(values.files))
  run(`${count.toLocaleString('en')} files`, manyFiles(join(values.folder, `files-${count}`), count))
for (const gib of numbers(values.gib)) run(`${gib} GiB`, prepare('random', values.folder, gib))
console.log('')
report.print()
console.log(`\n${report.save('scaling', {})}`)

function run(what, source) {
  for (const peer of peers) {
    const work = freshFolder(join(values.folder, 'work', peer.name))
    const step = ([command, args]) => measure(command, args, peer.env(work))
    step(peer.create(work))
    report.add(`${what}: first snapshot`, peer.name, step(peer.snapshot(work, source)))
    report.add(`${what}: unchanged snapshot`, peer.name, step(peer.snapshot(work, source)))
    rmSync(work, { recursive: true, force: true })
  }
}

/** A tree of files of about half a kilobyte, 200 to a folder. */
function manyFiles(folder, count) {
  rmSync(folder, { recursive: true, force: true })
  for (let i = 0; i < count; i++) {
    const directory = join(folder, `d${Math.floor(i / 20_000)}`, `e${Math.floor(i / 200) % 100}`)
    if (i % 200 === 0) mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, `f${i}`), `${i} `.repeat(40 + (i % 120)))
  }
  return folder
}
