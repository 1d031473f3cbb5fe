import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import { readFiles, readFilesHere } from '#snapshot/upload/small-files.ts'
import { scratchFolders } from '../../support/scratch.ts'

const scratch = scratchFolders()
const kinds = fc.record({
  kind: fc.constantFrom('file', 'file', 'file', 'missing', 'link', 'folder', 'pipe', 'not text'),
  sizeBytes: fc.oneof(fc.nat(40), fc.nat(9000)),
  /** What the listing said too much. */
  off: fc.constantFrom(0, 0, 0, 1, -1, 100, -100),
})

function make(folder: string, name: string, { kind, sizeBytes }: { kind: string; sizeBytes: number }): string | Buffer {
  const path = join(folder, name)
  if (kind === 'file') writeFileSync(path, Buffer.alloc(sizeBytes, name))
  if (kind === 'link') symlinkSync('.', path)
  if (kind === 'folder') mkdirSync(path)
  if (kind === 'pipe') execFileSync('mkfifo', [path])
  if (kind !== 'not text') return path
  const raw = Buffer.concat([Buffer.from(path), Buffer.from([0xff])])
  writeFileSync(raw, Buffer.alloc(sizeBytes, name))
  return raw
}

describe('readFiles', () => {
  it('reads what is as long as expected, leaves the rest to the careful way, and does so as its twin', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(kinds, { maxLength: 10 }), async (files) => {
        const folder = scratch()
        const paths = files.map((f, i) => make(folder, `f${i}`, f))
        const rooms = Uint32Array.from(files, (f) => Math.max(1, f.sizeBytes + f.off + 1))
        const slab = Buffer.alloc(rooms.reduce((a, b) => a + b, 0))
        const twin = Buffer.from(slab)
        const lengths = await readFiles(paths, rooms, slab)
        expect(lengths).toEqual(readFilesHere(paths, rooms, twin, new Int32Array(files.length)))
        let at = 0
        for (const [i, f] of files.entries()) {
          const room = rooms[i] as number
          const isWhole = (f.kind === 'file' || f.kind === 'not text') && f.sizeBytes === room - 1
          if (f.kind !== 'pipe') expect(lengths[i]).toBe(isWhole ? f.sizeBytes : -1)
          if (isWhole) expect(slab.subarray(at, at + f.sizeBytes).equals(Buffer.alloc(f.sizeBytes, `f${i}`))).toBe(true)
          at += room
        }
      }),
      { numRuns: 60 },
    )
  })

  it.skipIf(!nativeAddon())('refuses fewer paths, or less memory, than files (needs the addon)', async () => {
    const addon = nativeAddon()
    if (!addon) throw new Error('there is no addon')
    const path = Buffer.from('/nowhere\0')
    const two = Uint32Array.of(1, 1)
    await expect(addon.readFiles(path, two, Buffer.alloc(2), new Int32Array(2))).rejects.toThrow('fewer paths')
    await expect(addon.readFiles(path, Uint32Array.of(9), Buffer.alloc(8), new Int32Array(1))).rejects.toThrow('less memory')
    expect(() => addon.readFiles(path, two, Buffer.alloc(2), new Int32Array(1))).toThrow(RangeError)
    expect(() => addon.readFiles(path, two as unknown as Uint32Array, Buffer.alloc(2), two as unknown as Int32Array)).toThrow(TypeError)
  })
})
