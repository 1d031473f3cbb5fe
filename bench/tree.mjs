import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A tree of so many files of 0.2 to 12 KB in folders of a hundred, each unlike the others. */
export function makeTree(folder, count) {
  rmSync(folder, { recursive: true, force: true })
  for (let i = 0; i < count; i++) {
    const directory = join(folder, `d${Math.floor(i / 100)}`)
    if (i % 100 === 0) mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, `f${i}`), `${i} of these words, `.repeat(10 + ((i * 7919) % 600)))
  }
}
