import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  CorruptObjectError,
  InvalidObjectIdError,
  ObjectNotFoundError,
  ObjectTooLargeError,
  UnknownSplitterError,
} from '#repo/object/errors.ts'
import { createObjectManager } from '#repo/object/manager.ts'
import type { ObjectId, ObjectManager } from '#repo/object/object.ts'
import { sharedPath } from '../../support/shared.ts'
import { FakeContents } from './fake-contents.ts'
import { recipe } from './recipes.ts'

interface Vectors {
  readonly files: readonly { readonly name: string; readonly recipe: string; readonly n: number }[]
  readonly splitters: readonly { readonly splitter: string; readonly objects: Readonly<Record<string, string>> }[]
  readonly indexStreams: readonly { readonly object: string; readonly indexStream: string }[]
  readonly concatenated: readonly {
    readonly splitter: string
    readonly name: string
    readonly parallelUploadAboveSize: number
    readonly object: string
    readonly indexStream?: string
  }[]
}
const vectors = JSON.parse(readFileSync(sharedPath('spec/vectors/objects.json'), 'utf8')) as Vectors
const vectorSecret = Uint8Array.from({ length: 32 }, (_, i) => 0x40 + i)

const plainOptions = { prefix: '', compressor: 'none', metadataCompressor: 'none', splitter: '' }
const as = (id: string) => id as ObjectId

const file = (name: string): Buffer => {
  const f = vectors.files.find((x) => x.name === name)
  if (!f) throw new Error(name)
  return recipe(f.recipe, f.n)
}

let contents: FakeContents
let objects: ObjectManager
const reset = (splitter = 'DYNAMIC-128K-BUZHASH', indexVersion: 1 | 2 = 2, secret?: Uint8Array) => {
  contents = new FakeContents(secret)
  objects = createObjectManager({ contents, format: { splitter, indexVersion } })
}
beforeEach(() => reset())

async function write(
  data: Uint8Array,
  options: Partial<typeof plainOptions> = {},
  pieces: readonly number[] = [data.length || 1],
): Promise<ObjectId> {
  const writer = objects.createWriter({ ...plainOptions, ...options })
  for (let at = 0, i = 0; at < data.length; i++) {
    const piece = Buffer.from(data.subarray(at, at + (pieces[i % pieces.length] as number)))
    await writer.write(piece)
    piece.fill(0xee)
    at += piece.length
  }
  return writer.finish()
}

describe('object IDs of Kopia', () => {
  const names = vectors.files.map((f) => f.name).filter((n) => n !== 'd40m')
  it('come out for every file with several splitters', async () => {
    for (const { splitter, objects: expected } of vectors.splitters) {
      if (!['DYNAMIC-128K-BUZHASH', 'DYNAMIC-1M-RABINKARP', 'FIXED-512K', 'FIXED'].includes(splitter)) continue
      reset(splitter, 2, vectorSecret)
      for (const name of names) expect(await write(file(name), {}, [70_001]), `${splitter} ${name}`).toBe(expected[name])
    }
  })

  it('index streams have the same bytes', async () => {
    reset('DYNAMIC-128K-BUZHASH', 2, vectorSecret)
    await write(file('d3m'))
    await write(file('zero3m'))
    for (const { object, indexStream } of vectors.indexStreams)
      expect((await objects.readAll(as(object.slice(1)))).toString()).toBe(indexStream)
  })

  it('an object of the specification', async () => {
    reset('DYNAMIC-1M-BUZHASH')
    expect(await write(Buffer.alloc(0))).toBe('fd7b3e075ab7e245506323f1d1b55330')
    expect(await write(Buffer.from('hello\n'))).toBe('a2f468001fa25cd7a229eae4e7a76f87')
    expect(await write(Buffer.alloc(2621440))).toBe('Ix050c50fe7839edd4fac1b700869108bb')
    expect((await objects.readAll(as('x050c50fe7839edd4fac1b700869108bb'))).length).toBe(347)
  })

  it('concatenated objects', async () => {
    for (const { splitter, name, parallelUploadAboveSize: part, object, indexStream } of vectors.concatenated) {
      if (name === 'd40m') continue
      reset(splitter, 2, vectorSecret)
      const data = file(name)
      const ids: ObjectId[] = []
      const count = data.length > part ? Math.floor(data.length / part) : 0
      for (let i = 0; i <= count; i++) ids.push(await write(data.subarray(i * part, i === count ? data.length : (i + 1) * part)))
      const joined = await objects.concatenate(ids, 'none')
      expect(joined, `${splitter} ${name}`).toBe(object)
      expect((await objects.readAll(joined)).equals(data)).toBe(true)
      if (indexStream !== undefined) expect((await objects.readAll(as(joined.slice(1)))).toString()).toBe(indexStream)
    }
  })
})

describe('writing', () => {
  it('does not depend on how the bytes were cut into calls', async () => {
    const data = recipe('sha', 900_000)
    const expected = await write(data)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 500, max: 400_000 }), { minLength: 1, maxLength: 8 }), async (pieces) => {
        expect(await write(data, {}, pieces)).toBe(expected)
      }),
      { numRuns: 15 },
    )
  })

  it('one write of many segments gives the same as small ones, and reads back', async () => {
    const data = recipe('sha', 3_145_728)
    const id = await write(data)
    expect(id).toMatch(/^Ix/)
    expect(await write(data, {}, [4096])).toBe(id)
    expect((await objects.readAll(id)).equals(data)).toBe(true)
  })

  it('stores compressed containers itself with index version 1, and only for data that shrinks', async () => {
    reset('FIXED-128K', 1)
    const text = recipe('text', 100_000)
    const id = await write(text, { compressor: 'zstd-fastest' })
    expect(id).toMatch(/^Z[0-9a-f]{32}$/)
    expect(contents.puts[0]?.compressionHeader).toBe(0)
    expect(Buffer.from(contents.puts[0]?.data as Uint8Array).readUInt32BE(0)).toBe(0x1101)
    expect((await objects.readAll(id)).equals(text)).toBe(true)
    expect(await write(recipe('sha', 1000), { compressor: 'gzip' })).toMatch(/^[0-9a-f]{32}$/)
    expect(await write(text, { compressor: 'gzip', prefix: 'k' })).toMatch(/^k[0-9a-f]{32}$/)
    expect(await objects.contentsOf(id)).toEqual([id.slice(1)])
    const long = recipe('text', 500_000)
    const indirect = await write(long, { compressor: 's2-default', metadataCompressor: 'gzip' })
    expect(indirect).toMatch(/^Ix/)
    expect((await objects.readAll(as(indirect.slice(1)))).toString()).toContain('"o":"Z')
    expect((await objects.readAll(indirect)).equals(long)).toBe(true)
  })

  it('asks the content store to compress with index version 2', async () => {
    await write(recipe('text', 400_000), { compressor: 'zstd', metadataCompressor: 'zstd-fastest' })
    expect(new Set(contents.puts.filter((p) => p.prefix === '').map((p) => p.compressionHeader))).toEqual(new Set([0x1100]))
    expect(contents.puts.filter((p) => p.prefix === 'x').map((p) => p.compressionHeader)).toEqual([0x1101])
  })

  it('an index too long for one content is indirect again', async () => {
    reset('FIXED-128K')
    const ids = await Promise.all(Array.from({ length: 3000 }, (_, i) => write(Buffer.from(`part ${i} `))))
    const id = await objects.concatenate(ids, 'none')
    expect(id).toMatch(/^IIx/)
    expect((await objects.readAll(id)).toString()).toContain('part 0 part 1 part 2 ')
    const known = await objects.contentsOf(id)
    expect(known.length).toBe(3000 + 1 + Math.ceil((await objects.readAll(as(id.slice(1)))).length / 131072))
    expect(await objects.isPresent(id)).toBe(true)
    contents.stored.delete(known.at(-1) as (typeof known)[number])
    expect(await objects.isPresent(id)).toBe(false)
  })

  it('keeps the order of segments in spite of their timing', async () => {
    let turn = 0
    contents.beforePut = () => new Promise((resolve) => setTimeout(resolve, turn++ % 2 ? 0 : 8))
    const data = recipe('sha', 2_000_000)
    const id = await write(data, {}, [300_000])
    expect(contents.mostInFlight).toBeGreaterThan(2)
    expect((await objects.readAll(id)).equals(data)).toBe(true)
  })

  it('keeps a bounded number of bytes in flight', async () => {
    reset('FIXED-4M')
    contents.beforePut = () => new Promise((resolve) => setTimeout(resolve, 1))
    const data = Buffer.alloc(36_000_000, 'some bytes')
    const id = await write(data, {}, [1 << 20])
    expect(contents.mostBytesInFlight).toBeGreaterThanOrEqual(8 << 20)
    expect(contents.mostBytesInFlight).toBeLessThanOrEqual(32 << 20)
    expect((await objects.open(id)).sizeBytes).toBe(data.length)
  })

  it('fills itself from a source as it would be written', async () => {
    const data = recipe('sha', 500_000)
    for (const step of [10_000, 300_000, 5_000_000]) {
      const writer = objects.createWriter(plainOptions)
      await writer.write(data.subarray(0, 700))
      let at = 700
      await writer.fill(async (into) => {
        const got = data.copy(into, 0, at, Math.min(data.length, at + step))
        at += got
        return got
      })
      expect(await writer.finish()).toBe(await write(data))
    }
    const failing = objects.createWriter(plainOptions)
    await expect(failing.fill(() => Promise.reject(new Error('the disk is gone')))).rejects.toThrow('the disk is gone')
  })

  it('hands on the first failure of a put', async () => {
    contents.beforePut = async (content) => {
      if (contents.puts.length === 3) throw new Error(`storage is full after ${content.prefix}`)
    }
    const data = recipe('sha', 1_000_000)
    await expect(write(data, {}, [1000])).rejects.toThrow('storage is full')
  })

  it('a checkpoint is the object of the chunks so far', async () => {
    reset('FIXED-128K')
    const data = recipe('sha', 400_000)
    const writer = objects.createWriter(plainOptions)
    await writer.write(data.subarray(0, 100_000))
    expect(await writer.checkpoint()).toBe('')
    await writer.write(data.subarray(100_000, 200_000))
    expect(await writer.checkpoint()).toBe(await write(data.subarray(0, 131072)))
    await writer.write(data.subarray(200_000))
    expect(await writer.checkpoint()).toBe(await write(data.subarray(0, 3 * 131072)))
    expect(await writer.finish()).toBe(await write(data))
    await expect(writer.write(data)).rejects.toThrow(/finished/)
  })

  it('takes many small objects as one batch, longer ones too', async () => {
    const data = [Buffer.alloc(0), recipe('sha', 65536), recipe('sha', 65537), recipe('sha', 800_000), Buffer.from('end')]
    const ids = await objects.writeMany(data.map((d) => ({ data: d, options: plainOptions })))
    expect(contents.mostInFlight).toBeGreaterThanOrEqual(3)
    for (const [i, d] of data.entries()) expect(ids[i]).toBe(await write(d))
    reset('FIXED-1M', 1)
    const packed = await objects.writeMany([{ data: recipe('text', 5000), options: { ...plainOptions, compressor: 'pgzip' } }])
    expect(packed[0]).toMatch(/^Z/)
    expect((await objects.readAll(packed[0] as ObjectId)).length).toBe(5000)
  })

  it('refuses an unknown splitter of the repository, and falls back to it for files', async () => {
    expect(() => reset('ROUGHLY')).toThrow(UnknownSplitterError)
    reset('')
    expect(await write(Buffer.alloc(5 << 20), { splitter: 'ROUGHLY' })).toMatch(/^Ix/)
    expect(contents.puts[0]?.data.length).toBe(4 << 20)
  })
})

describe('reading', () => {
  const data = recipe('sha', 700_000)
  let id: ObjectId
  beforeEach(async () => {
    id = await write(data)
  })

  it('gives the right bytes at every offset around a cut, and at the end', async () => {
    const object = await objects.open(id)
    expect(object.sizeBytes).toBe(700_000)
    for (const offset of [0, 93742, 93743, 93744, 242948, 242949, 699_990, 700_000, 800_000])
      for (const length of [0, 1, 2, 5000, 300_000]) {
        const into = Buffer.alloc(length, 0xaa)
        const count = await object.read(into, offset)
        const expected = data.subarray(offset, offset + length)
        expect(count).toBe(expected.length)
        expect(into.subarray(0, count).equals(expected)).toBe(true)
      }
    await expect(object.read(Buffer.alloc(1), -1)).rejects.toThrow(RangeError)
  })

  it('loads a chunk once for reads in order and at the same time', async () => {
    const object = await objects.open(id)
    contents.gets.length = 0
    for (let at = 0; at < 700_000; at += 30_000) {
      const into = [Buffer.alloc(30_000), Buffer.alloc(30_000)]
      await Promise.all(into.map((b) => object.read(b, at)))
      expect(into[1]?.subarray(0, 700_000 - at).equals(data.subarray(at, at + 30_000))).toBe(true)
    }
    expect(contents.gets.length).toBe(new Set(contents.gets).size)
  })

  it('tries again after a failure', async () => {
    const object = await objects.open(id)
    contents.beforeGet = async () => {
      throw new Error('offline')
    }
    await expect(object.read(Buffer.alloc(10), 0)).rejects.toThrow('offline')
    contents.beforeGet = async () => {}
    expect(await object.read(Buffer.alloc(10), 0)).toBe(10)
  })

  it('says which object is missing, and bounds what readAll returns', async () => {
    await expect(objects.open(as('ab'.repeat(16)))).rejects.toThrow(ObjectNotFoundError)
    for (const bare of ['', 'I', 'II', 'Z']) await expect(objects.open(as(bare)), bare).rejects.toThrow(ObjectNotFoundError)
    await expect(objects.open(as('no such thing'))).rejects.toThrow(InvalidObjectIdError)
    await expect(objects.readAll(id, 699_999)).rejects.toThrow(ObjectTooLargeError)
    expect(await objects.isPresent(as('ab'.repeat(16)))).toBe(false)
    await expect(objects.contentsOf(as('ab'.repeat(16)))).rejects.toThrow(ObjectNotFoundError)
    await expect(objects.concatenate([], 'none')).rejects.toThrow(/no objects/)
    expect(await objects.concatenate([id], 'none')).toBe(id)
  })

  const index = async (text: string): Promise<ObjectId> =>
    as(`I${await contents.put({ prefix: 'x', data: Buffer.from(text), compressionHeader: 0 })}`)

  it('refuses damaged indexes', async () => {
    const five = await write(Buffer.from('12345'))
    for (const bad of [
      'nonsense',
      '{"stream":"kopia:indirect","entries":[]}',
      '{"stream":"kopia:indirect","entries":null}',
      `{"entries":[{"s":1,"l":5,"o":"${five}"}]}`,
      `{"entries":[{"l":5,"o":"${five}"},{"s":4,"l":5,"o":"${five}"}]}`,
      `{"entries":[{"l":-5,"o":"${five}"}]}`,
      `{"entries":[{"l":1e300,"o":"${five}"}]}`,
      `{"entries":[{"l":"5","o":"${five}"}]}`,
      '{"entries":[{"l":5,"o":5}]}',
    ])
      await expect(objects.open(await index(bad)), bad).rejects.toThrow(CorruptObjectError)
    for (const length of [4, 6]) {
      const wrong = await index(`{"entries":[{"l":${length},"o":"${five}"}]}`)
      await expect(objects.readAll(wrong)).rejects.toThrow(CorruptObjectError)
    }
  })

  it('reads the first value of an index stream, and members in any case', async () => {
    const five = await write(Buffer.from('12345'))
    const odd = await index(`{"Entries":[{"L":5,"O":"${five}","note":"}"},{"s":5,"o":"${five}"}]} trailing`)
    expect((await objects.readAll(odd)).toString()).toBe('12345')
  })

  it('uses only the wanted bytes of a nested indirect chunk, and stops at cycles', async () => {
    const nested = await index(`{"entries":[{"l":100000,"o":"${id}"},{"s":100000,"l":50,"o":"${id}"}]}`)
    expect((await objects.readAll(nested)).equals(Buffer.concat([data.subarray(0, 100_000), data.subarray(0, 50)]))).toBe(true)
    const tooMuch = await index(`{"entries":[{"l":700001,"o":"${id}"}]}`)
    await expect(objects.readAll(tooMuch)).rejects.toThrow(CorruptObjectError)
    // A fake store can do what hashes rule out: an index that names itself.
    const loop = await index('{"entries":[]}')
    const entry = contents.stored.get(loop.slice(1) as never) as { data: Buffer }
    Object.assign(entry, { data: Buffer.from(`{"entries":[{"l":5,"o":"${loop}"}]}`) })
    await expect(objects.readAll(loop)).rejects.toThrow(/contains itself/)
    await expect(objects.contentsOf(loop)).rejects.toThrow(/contains itself/)
    await expect(objects.open(as(`${'I'.repeat(40)}${five16}`))).rejects.toThrow(/nested too deeply/)
  })
  const five16 = 'ab'.repeat(16)
})
