import { createHash, randomFillSync } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const words = 'amber birch cobalt delta ember fjord garnet harbor indigo juniper kelp lumen meadow nickel onyx pebble'.split(' ')

function text(bytes, seed) {
  let state = seed >>> 0 || 1
  const parts = []
  for (let length = 0; length < bytes; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const word = `${words[state >>> 28]}${(state >>> 8) & 1023}${(state >>> 20) % 12 === 0 ? '\n' : ' '}`
    parts.push(word)
    length += word.length
  }
  return Buffer.from(parts.join('').slice(0, bytes))
}

function largeFile(path, bytes, fill) {
  const fd = openSync(path, 'w')
  for (let at = 0; at < bytes; at += 4 << 20) writeSync(fd, fill(Math.min(4 << 20, bytes - at), at))
  closeSync(fd)
}

/** Data sets by name; `scale` shrinks them all. */
export const dataSets = {
  random: (folder, scale) =>
    largeFile(join(folder, 'random.bin'), Math.round((1 << 30) * scale), (n) => randomFillSync(Buffer.allocUnsafe(n))),
  change: (folder, scale) =>
    largeFile(join(folder, 'large.bin'), Math.round((256 << 20) * scale), (n) => randomFillSync(Buffer.allocUnsafe(n))),
  text: (folder, scale) => {
    for (let i = 0; i < 8; i++)
      largeFile(join(folder, `text-${i}.txt`), Math.round((64 << 20) * scale), (n, at) => text(n, i * 7919 + at + 1))
  },
  small: (folder, scale) => {
    const count = Math.round(40_000 * scale)
    for (let i = 0; i < count; i++) {
      const directory = join(folder, `d${Math.floor(i / 100)}`)
      if (i % 100 === 0) mkdirSync(directory, { recursive: true })
      const size = createHash('md5').update(String(i)).digest().readUInt16LE(0) % 8192
      writeFileSync(join(directory, `f${i}.txt`), text(size, i + 1))
    }
  },
}

/** Makes a data set unless it is there; reads it once, so that it lies in the page cache. Returns its folder. */
export function prepare(name, root, scale) {
  const folder = join(root, `${name}-${scale}`)
  if (!existsSync(`${folder}.done`)) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    dataSets[name](folder, scale)
    writeFileSync(`${folder}.done`, '')
  }
  warm(folder)
  return folder
}

function warm(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) warm(path)
    else if (statSync(path).size < 2 ** 31) readFileSync(path)
  }
}
