import { expect, test } from 'vitest'
import { type ContentId, parseContentId } from '#repo/content/content-id.ts'
import { type ContentInfo, idsWithPrefix } from '#repo/content/content-info.ts'
import { encodeV2 } from '#repo/content/index/encode.ts'
import { headerSizeV2 } from '#repo/content/index/file-v2.ts'
import { IndexSet } from '#repo/content/index/index-set.ts'
import { parseIndex } from '#repo/content/index/parse.ts'

const fileCount = 20
const rowsPerFile = 500_000
const metadataPercent = 5
const step = 2 ** 32 / rowsPerFile
const firstSeconds = 1_767_225_600

const tailOf = (f: number, head: number): number => Math.imul(head ^ Math.imul(f, 0x9e3779b1), 0x85ebca6b) >>> 0

/** Row `i` of file `f`: IDs ascend within a file and are spread evenly, as hashes are; one in twenty is metadata. */
function idOf(f: number, i: number): ContentId {
  const prefixed = i >= (rowsPerFile * (100 - metadataPercent)) / 100
  const head = Math.floor(i * step)
  const tail = tailOf(f, head).toString(16).padStart(8, '0')
  return ((prefixed ? 'k' : '') + head.toString(16).padStart(8, '0') + tail + f.toString(16).padStart(16, '0')) as ContentId
}

const packOf = (number: number): string => `p${number.toString(16).padStart(32, '0')}-s0123456789abcdef13c`

const rowOf = (f: number, i: number): ContentInfo => ({
  id: idOf(f, i),
  packBlob: packOf(i >> 8),
  packOffset: (i & 255) * 65_536,
  packedLength: 60_000,
  originalLength: 59_972,
  timestampSeconds: firstSeconds + f,
  deleted: false,
  compressionHeader: 0,
  formatVersion: 3,
  encryptionKeyId: 0,
})

const build = (f: number, count: number): Buffer => encodeV2({ count, rowAt: (i) => rowOf(f, i) }, Buffer.alloc(0))

/** The bytes of build(f), made of those of build(0): encoding ten million rows takes minutes. */
function rebuilt(first: Buffer, f: number): Buffer {
  const bytes = Buffer.from(first)
  const stride = 17 + bytes.readUInt16BE(2)
  for (let at = headerSizeV2, i = 0; i < rowsPerFile; at += stride, i++) {
    bytes.writeUInt32BE(tailOf(f, Math.floor(i * step)), at + 5)
    bytes.writeUInt32BE(f, at + 13)
    bytes.writeUInt32BE(firstSeconds + f, at + 17)
  }
  return bytes
}

/** Milliseconds of the processor, which do not grow when others want it too. */
function timed(work: () => void): number {
  const start = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

// This file has a process to itself, so its peak memory is that of the index set.
test('ten million contents fit 1 GB; look-ups are right and quick, and a flush does not slow them down', () => {
  const first = build(0, rowsPerFile)
  expect(rebuilt(first.subarray(0), 0).equals(first)).toBe(true)
  const files = Array.from({ length: fileCount }, (_, f) => parseIndex(f === 0 ? first : rebuilt(first, f), 28))
  let set = new IndexSet(files, undefined)
  const lookUp = (count: number): void => {
    for (let n = 0; n < count; n++) {
      const [f, i] = [n % fileCount, (n * 7919) % rowsPerFile]
      const found = set.find(idOf(f, i))
      if (found?.timestampSeconds !== firstSeconds + f || found.packOffset !== (i & 255) * 65_536)
        throw new Error(`wrong row for ${f}, ${i}`)
    }
  }
  const times: Record<string, number> = {}
  times['100 look-ups at first'] = timed(() => lookUp(100))
  times['200,000 look-ups'] = timed(() => lookUp(200_000))
  expect(set.find(parseContentId('ff'.repeat(16)))).toBeUndefined()
  let metadata = 0
  times['all metadata'] = timed(() => {
    for (const row of set.iterate(idsWithPrefix('k'))) if (row.id.startsWith('k')) metadata++
  })
  expect(metadata).toBe((fileCount * rowsPerFile * metadataPercent) / 100)
  const flushes: number[] = []
  for (let flush = 0; flush < 40; flush++) {
    const count = flush % 2 === 0 ? 20 : 500
    const file = parseIndex(build(100 + flush, count), 28)
    files.push(file)
    const ms = timed(() => {
      set = new IndexSet(files, undefined, set)
      lookUp(10)
    })
    flushes.push(ms)
    expect(set.find(idOf(100 + flush, count - 1))?.timestampSeconds).toBe(firstSeconds + 100 + flush)
  }
  // Garbage may be collected in any of them.
  const usual = flushes.sort((a, b) => a - b)[flushes.length >> 1] as number
  times['usual flush'] = usual
  times['slowest flush'] = flushes.at(-1) as number
  times['200,000 look-ups after flushes'] = timed(() => lookUp(200_000))
  const peakMb = process.resourceUsage().maxRSS / 1024
  process.stdout.write(`${JSON.stringify({ ...times, peakMb }, (_, v: unknown) => (typeof v === 'number' ? Math.round(v) : v))}\n`)
  expect(peakMb).toBeLessThan(1000)
  expect(usual).toBeLessThan(500)
})
