import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseContentId } from '#repo/content/content-id.ts'
import { createObjectManager } from '#repo/object/manager.ts'
import type { ObjectId, ObjectWriterOptions, StoredRange } from '#repo/object/object.ts'
import { FakeContents } from './fake-contents.ts'

const base: ObjectWriterOptions = { prefix: '', compressor: '', metadataCompressor: '', splitter: '' }

class QuickContents extends FakeContents {
  override idOf(prefix: string, data: Uint8Array) {
    return parseContentId(prefix + createHash('md5').update(data).digest('hex'))
  }
}

function setup(splitter: string, indexVersion: 1 | 2 = 2) {
  const contents = new QuickContents()
  return { contents, objects: createObjectManager({ contents, format: { splitter, indexVersion } }) }
}
type Setup = ReturnType<typeof setup>

async function write({ objects }: Setup, data: Uint8Array, options: ObjectWriterOptions, partBytes = 0): Promise<ObjectId> {
  const parts: Uint8Array[] = []
  if (partBytes > 0 && data.length > partBytes)
    for (let i = 0; i <= Math.floor(data.length / partBytes); i++) parts.push(data.subarray(i * partBytes, (i + 1) * partBytes))
  else parts.push(data)
  const ids: ObjectId[] = []
  for (const part of parts) {
    const writer = objects.createWriter(options)
    await writer.write(part)
    ids.push(await writer.finish())
  }
  return objects.concatenate(ids, options.metadataCompressor)
}

interface Piece {
  readonly bytes: Uint8Array
  readonly stored?: { readonly objectId: ObjectId; readonly storedOffset: number }
}

async function compose({ objects }: Setup, pieces: readonly Piece[], options: ObjectWriterOptions, partBytes = 0) {
  const all = Buffer.concat(pieces.map((p) => p.bytes))
  const stored: StoredRange[] = []
  let offset = 0
  for (const p of pieces) {
    if (p.stored && p.bytes.length > 0) stored.push({ offset, length: p.bytes.length, ...p.stored })
    offset += p.bytes.length
  }
  const read = (into: Uint8Array, at: number) => all.copy(into, 0, at, at + into.length)
  const { objectId, readBytes } = await objects.compose({ sizeBytes: all.length, stored, options, read, partBytes })
  return { objectId, readBytes, all }
}

/** Old bytes with some ranges replaced, cut short or made longer. */
function edited(old: Buffer, lower: ObjectId, edits: readonly (readonly [number, Uint8Array])[], sizeBytes: number): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  const keep = (to: number) => {
    if (to > at) pieces.push({ bytes: old.subarray(at, to), stored: { objectId: lower, storedOffset: at } })
    at = Math.max(at, to)
  }
  for (const [offset, bytes] of edits.toSorted((a, b) => a[0] - b[0])) {
    if (offset < at || offset + bytes.length > Math.min(old.length, sizeBytes)) continue
    keep(offset)
    pieces.push({ bytes })
    at = offset + bytes.length
  }
  keep(Math.min(old.length, sizeBytes))
  if (sizeBytes > old.length) pieces.push({ bytes: Buffer.alloc(sizeBytes - old.length) })
  return pieces
}

const random = randomBytes(3 << 20)
const text = Buffer.from('all work and no play makes jack a dull boy\n'.repeat(30_000)).subarray(0, 1 << 20)
const olds = { random, text, short: random.subarray(0, 1 << 20), tiny: random.subarray(0, 100) }

describe('composing an object of stored ranges and new bytes', () => {
  const splitters = ['DYNAMIC-128K-BUZHASH', 'DYNAMIC-128K-RABINKARP', 'DYNAMIC-256K-BUZHASH', 'FIXED-128K']
  const edit = fc.record({ at: fc.nat(3 << 20), bytes: fc.oneof(fc.constant(1), fc.nat(300_000)) })
  it.each(splitters)('gives the ID of writing all bytes anew (%s)', async (splitter) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { maxLength: 4 }),
        fc.oneof(fc.nat(3 << 20), fc.constant(3 << 20), fc.constant(2 << 20), fc.constant((3 << 20) + 200_000)),
        fc.constantFrom('random', 'text', 'short', 'tiny'),
        fc.constantFrom<ObjectWriterOptions>(base, { ...base, compressor: 's2-default' }),
        fc.constantFrom<1 | 2>(1, 2),
        fc.constantFrom(0, 1 << 20, 700_001),
        async (edits, size, kind, options, version, partBytes) => {
          const old = olds[kind as keyof typeof olds]
          const s = setup(splitter, version)
          const lower = await write(s, old, options, partBytes)
          const { objectId, all } = await compose(
            s,
            edited(
              old,
              lower,
              edits.map((e): [number, Buffer] => [e.at, random.subarray(random.length - e.bytes)]),
              size,
            ),
            options,
            partBytes,
          )
          expect(objectId).toBe(await write(s, all, options, partBytes))
        },
      ),
      { numRuns: 15 },
    )
  })

  it('gives it for bytes moved to other places and taken from several objects', async () => {
    const s = setup('DYNAMIC-128K-BUZHASH')
    const one = await write(s, random, base)
    const two = await write(s, text, base)
    const pieces: Piece[] = [
      { bytes: random.subarray(1000, 2 << 20), stored: { objectId: one, storedOffset: 1000 } },
      { bytes: text, stored: { objectId: two, storedOffset: 0 } },
      { bytes: Buffer.from('between') },
      { bytes: random, stored: { objectId: one, storedOffset: 0 } },
    ]
    const { objectId, all } = await compose(s, pieces, base)
    expect(objectId).toBe(await write(s, all, base))
  })

  it.each([
    ['DYNAMIC-256K-BUZHASH', 2],
    ['DYNAMIC-128K-RABINKARP', 2],
    ['FIXED-256K', 2],
  ] as const)('sees that the stored object was cut by %s', async (other, version) => {
    const s = setup('DYNAMIC-128K-BUZHASH', version)
    const lower = await write(s, random, { ...base, splitter: other })
    const { objectId, all } = await compose(s, edited(random, lower, [[1_500_000, Buffer.from('x')]], random.length), base)
    expect(objectId).toBe(await write(s, all, base))
  })

  it('sees that the stored object was compressed in another way, where that changes its ID', async () => {
    const s = setup('DYNAMIC-128K-BUZHASH', 1)
    const lower = await write(s, text, { ...base, compressor: 's2-default' })
    const { objectId, all } = await compose(s, edited(text, lower, [[900_000, Buffer.from('x')]], text.length), base)
    expect(objectId).toBe(await write(s, all, base))
  })

  it('reads and stores only the chunks around one changed byte', async () => {
    const s = setup('DYNAMIC-128K-BUZHASH')
    const big = randomBytes(16 << 20)
    const lower = await write(s, big, base)
    const before = s.contents.stored.size
    s.contents.gets.length = 0
    const { readBytes } = await compose(s, edited(big, lower, [[9 << 20, Buffer.from([1])]], big.length), base)
    expect(s.contents.stored.size - before).toBeLessThanOrEqual(4) // two chunks, the index stream of which one more
    expect(readBytes).toBeLessThan(3 << 20)
  })

  it('reads nothing of an object that is taken whole', async () => {
    const s = setup('DYNAMIC-128K-BUZHASH')
    const lower = await write(s, random, base)
    const { objectId, readBytes } = await compose(s, edited(random, lower, [], random.length), base)
    expect(objectId).toBe(lower)
    expect(readBytes).toBe(0)
  })

  it('passes on the failure of the storage', async () => {
    const s = setup('DYNAMIC-128K-BUZHASH')
    s.contents.beforePut = async () => {
      throw new Error('storage full')
    }
    await expect(compose(s, [{ bytes: random }], base)).rejects.toThrow('storage full')
  })
})
