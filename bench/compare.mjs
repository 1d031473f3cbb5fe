// Compares Kura with its peers on the same bytes in one run, round by round: wall and CPU seconds, peak memory, ratios; JSON and a picture.
import { closeSync, copyFileSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { prepare } from './data.mjs'
import { measure } from './measure.mjs'
import { readOptions } from './options.mjs'
import { findPeers, freshFolder } from './peers.mjs'
import { Report, savePicture } from './report.mjs'
import { ratioPicture } from './svg.mjs'

const values = readOptions('npm run bench -- [compare] …', {
  scale: ['1', 'size of the data sets; 1 = 1 GiB random, 512 MiB text, 40,000 small files, 256 MiB changed'],
  rounds: ['3', 'how often all is measured; medians are printed'],
  sets: ['random,text,small,change', 'data sets'],
  peers: ['', 'names of peers, separated by commas; all that are found'],
})
const scale = Number(values.scale)
const rounds = Number(values.rounds)
const { peers, missing } = findPeers(values.peers === '' ? undefined : values.peers.split(','))
if (missing.length > 0) console.log(`not compared, because not here: ${missing.join(', ')}`)
const report = new Report()

for (const set of values.sets.split(',')) {
  const prepared = prepare(set, values.folder, scale)
  for (let round = 0; round < rounds; round++)
    for (const peer of peers) {
      const work = freshFolder(join(values.folder, 'work', peer.name))
      const step = ([command, args]) => measure(command, args, peer.env(work))
      step(peer.create(work))
      if (set === 'text' && peer.compress) step(peer.compress(work))
      if (set === 'change') changed(prepared, peer, work, step)
      else everyday(set, prepared, peer, work, step)
      rmSync(work, { recursive: true, force: true })
    }
}
console.log(
  `\nmedians of ${rounds}, ${cpus().length} cores, scale ${scale}; in brackets the peer's figure divided by Kura's (above 1: Kura is better)\n`,
)
report.print()
console.log(`\n${report.save('compare', { scale, rounds })}`)
for (const [key, title] of [
  ['wall', 'Time'],
  ['rss', 'Peak memory'],
])
  console.log(savePicture(`compare-${key}`, ratioPicture(`${title}, ${cpus().length} cores`, report.rows(), key)))

function everyday(set, source, peer, work, step) {
  report.add(`${set}: first snapshot`, peer.name, step(peer.snapshot(work, source)))
  report.add(`${set}: unchanged snapshot`, peer.name, step(peer.snapshot(work, source)))
  const target = join(work, 'restored')
  report.add(`${set}: restore`, peer.name, step(peer.restore(work, source, target)))
  report.add('open the repository', peer.name, step(peer.status(work)))
  if (peer.list) report.add('list snapshots', peer.name, step(peer.list(work)))
}

/** 16 bytes changed in the middle of a large file. */
function changed(prepared, peer, work, step) {
  const source = join(work, 'source')
  mkdirSync(source)
  const file = join(source, 'large.bin')
  copyFileSync(join(prepared, 'large.bin'), file)
  step(peer.snapshot(work, source))
  const fd = openSync(file, 'r+')
  writeSync(fd, Buffer.alloc(16, 7), 0, 16, Math.round((128 << 20) * scale))
  closeSync(fd)
  report.add('change: 16 bytes in a large file', peer.name, step(peer.snapshot(work, source)))
}
