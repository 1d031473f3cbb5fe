import { createHash } from 'node:crypto'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { IndexRows } from '#repo/content/index/rows.ts'
import { scratchFolders } from '../support/scratch.ts'
import { describeAddon, noise } from './addon.ts'

const scratch = scratchFolders()
const wild = (f: unknown) => f as (...args: unknown[]) => unknown

describeAddon('mapFile', (addon) => {
  const map = (path: string, minBytes = 1) => addon.mapFile(Buffer.from(path), minBytes)

  it('gives the bytes of a file, also after the file was replaced and removed', () => {
    const path = join(scratch(), 'file')
    const data = noise(300_000)
    writeFileSync(path, data)
    const mapped = map(path)
    if (!mapped) return expect(process.platform).not.toBe('linux') // or a file system that is not trusted
    expect(Buffer.from(mapped).equals(data)).toBe(true)
    writeFileSync(`${path}.new`, noise(300_000, 2))
    renameSync(`${path}.new`, path)
    rmSync(path)
    expect(addon.forgetPages(Buffer.from(mapped))).toBe(true)
    expect(Buffer.from(mapped).equals(data)).toBe(true)
  })

  it('leaves the file as it is when somebody writes into its memory', () => {
    const path = join(scratch(), 'file')
    writeFileSync(path, noise(5000))
    const mapped = map(path)
    if (!mapped) return
    new Uint8Array(mapped).fill(0)
    expect(Buffer.from(map(path) as ArrayBuffer).equals(noise(5000))).toBe(true)
  })

  it('gives nothing for what is small, missing, empty or no file', () => {
    const folder = scratch()
    const path = join(folder, 'file')
    writeFileSync(path, '')
    expect([map(path, 0), map(`${path}x`), map(folder), map('/dev/zero')]).toEqual([undefined, undefined, undefined, undefined])
    writeFileSync(path, 'abc')
    expect(map(path, 4)).toBeUndefined()
  })

  it('gives memory back only for a whole mapped file', () => {
    const own = noise(8192)
    expect(addon.forgetPages(own)).toBe(false)
    expect(own.equals(noise(8192))).toBe(true)
    const path = join(scratch(), 'file')
    writeFileSync(path, own)
    const mapped = map(path)
    if (mapped) expect(addon.forgetPages(Buffer.from(mapped, 0, 4096))).toBe(false)
  })

  it('refuses what is no path, number or bytes', () => {
    for (const bad of [undefined, 'text', 7, {}]) {
      expect(() => wild(addon.mapFile)(bad, 1)).toThrow(TypeError)
      expect(() => wild(addon.forgetPages)(bad)).toThrow(TypeError)
    }
    expect(() => wild(addon.mapFile)(Buffer.from('x'), 'y')).toThrow(TypeError)
    for (const bad of ['', 'a\0b', 'x'.repeat(5000)]) expect(() => map(bad)).toThrow(RangeError)
  })
})

/** Rows of any bytes, not in order unless they are sorted. */
class Rows extends IndexRows {
  readonly version = 2
  constructor(bytes: Buffer, count: number, keySize: number, start: number, stride: number) {
    super(bytes, 'test', count, keySize, start, stride)
  }
  timestampAt = () => 0
  deletedAt = () => false
  packAt = () => ''
  packedLengthAt = () => 0
  at = () => {
    throw new Error('not asked for')
  }
}

describeAddon('findRows and fillTable', (addon) => {
  it('find what the twin finds, in sorted rows and in any others', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 33 }),
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 0, max: 60 }),
        fc.nat(1000),
        fc.boolean(),
        fc.constantFrom(1, 3, 256),
        (keySize, valueSize, count, seed, sorted, spread) => {
          const stride = keySize + valueSize
          const raw = noise(count * stride, seed).map((b) => b % spread)
          let rows = Array.from({ length: count }, (_, i) => Buffer.from(raw.subarray(i * stride, (i + 1) * stride)))
          if (sorted) rows = rows.sort(Buffer.compare)
          const file = new Rows(Buffer.concat([Buffer.alloc(8), ...rows]), count, keySize, 8, stride)
          const keys = Buffer.concat([...rows.map((r) => r.subarray(0, keySize)), noise(keySize * 20, seed + 1).map((b) => b % spread)])
          const [found, wanted] = [new Int32Array(count + 20), new Int32Array(count + 20)]
          file.findMany(keys, found)
          file.findManyTwin(keys, wanted)
          expect(found).toEqual(wanted)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('stops filling a table when keys pile up, and puts every other row in', () => {
    const count = 5000
    const same = Buffer.alloc(count * 17)
    const hashes = Buffer.concat(
      Array.from({ length: count }, (_, i) => Buffer.concat([Buffer.alloc(1), createHash('md5').update(`${i}`).digest()])),
    )
    const fill = (rows: Buffer) => {
      const files = new Uint16Array(16384)
      const marks = new Uint8Array(16384)
      return [addon.fillTable(rows, 0, 17, count, 17, files, marks, 7), files.filter((f) => f === 7).length]
    }
    expect(fill(hashes)).toEqual([count, count])
    expect(fill(same)).toEqual([4097, 4097])
  })

  it('refuse rows outside of their file, outputs that are too short, and what is of another type', () => {
    const file = noise(100)
    const rows = new Int32Array(4)
    const find =
      (...shape: number[]) =>
      () =>
        wild(addon.findRows)(file, ...shape, noise(shape[3] as number), rows)
    expect(find(0, 10, 10, 5)).not.toThrow()
    for (const bad of [
      find(1, 10, 10, 5),
      find(101, 1, 0, 1),
      find(0, 10, 11, 5),
      find(0, 4, 1, 5),
      find(0, 10, 1, 1),
      find(0, 2 ** 31, 2 ** 31, 5),
    ])
      expect(bad).toThrow(RangeError)
    expect(() => addon.findRows(file, 0, 10, 10, 5, noise(25), rows)).toThrow(RangeError)
    for (const bad of [undefined, 7, 'x', {}, new Uint8Array(8)]) {
      expect(() => wild(addon.findRows)(file, 0, 10, 10, 5, noise(5), bad)).toThrow(TypeError)
      expect(() => wild(addon.fillTable)(file, 0, 10, 10, 9, bad, noise(16), 1)).toThrow(TypeError)
    }
    for (const bad of [undefined, 7, 'x', {}, new Uint16Array(8)]) {
      expect(() => wild(addon.findRows)(bad, 0, 10, 10, 5, noise(5), rows)).toThrow(TypeError)
      expect(() => wild(addon.findRows)(file, 0, 10, 10, 5, bad, rows)).toThrow(TypeError)
      expect(() => wild(addon.findRows)(file, 'x', 10, 10, 5, noise(5), rows)).toThrow(TypeError)
    }
    const fill = (keySize: number, slots: number, marks: number, number: number) => () =>
      addon.fillTable(file, 0, 10, 10, keySize, new Uint16Array(slots), new Uint8Array(marks), number)
    expect(fill(9, 16, 16, 1)).not.toThrow()
    for (const bad of [
      fill(8, 16, 16, 1),
      fill(9, 17, 17, 1),
      fill(9, 16, 15, 1),
      fill(9, 8, 8, 1),
      fill(9, 16, 16, 0),
      fill(9, 16, 16, 65536),
      fill(9, 0, 0, 1),
    ])
      expect(bad).toThrow(RangeError)
  })
})
