// Work on a large repository: maintenance, verification, mirroring. The tools take turns on copies of one repository of many contents.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { measure } from './measure.mjs'
import { readOptions } from './options.mjs'
import { findPeers, freshFolder } from './peers.mjs'
import { Report } from './report.mjs'

const values = readOptions('npm run bench -- upkeep …', {
  files: ['1000000', 'files, each a content of its own; half of them in a source of its own that is deleted before the last step'],
  rounds: ['1', 'how often all is measured'],
})
const { peers } = findPeers(['kopia'])
const [kura] = peers
const report = new Report()
const sources = ['stays', 'goes'].map((name) => join(values.folder, `upkeep-${name}`))
for (const [i, source] of sources.entries()) makeFiles(source, Math.ceil(Number(values.files) / 2), i)

const made = freshFolder(join(values.folder, 'work', 'made'))
measure(...kura.create(made), kura.env(made))
for (const source of sources) measure(...kura.snapshot(made, source), kura.env(made))

for (let round = 0; round < Number(values.rounds); round++)
  for (const peer of peers) {
    const work = freshFolder(join(values.folder, 'work', peer.name))
    cpSync(join(made, 'repository'), join(work, 'repository'), { recursive: true })
    const step = (args) => measure(args[0], args[1], peer.env(work))
    step(peer.connect(work))
    mkdirSync(join(work, 'mirror'))
    for (const [name, args] of Object.entries(peer.upkeep(work))) {
      if (name.includes('deleted')) step(peer.deleteAll(work, sources[1]))
      report.add(name, peer.name, step([peer.command, args]))
    }
    rmSync(work, { recursive: true, force: true })
  }
rmSync(made, { recursive: true, force: true })
report.print()
console.log(`\n${report.save('upkeep', { files: Number(values.files) })}`)

function makeFiles(folder, count, salt) {
  rmSync(folder, { recursive: true, force: true })
  for (let i = 0; i < count; i++) {
    const directory = join(folder, `d${Math.floor(i / 20_000)}`, `e${Math.floor(i / 200) % 100}`)
    if (i % 200 === 0) mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, `f${i}`), `${salt}-${i} `.repeat(20 + (i % 40)))
  }
}
