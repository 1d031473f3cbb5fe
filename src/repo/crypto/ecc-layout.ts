import { TooManyErrorsError } from './errors.ts'
import { UnknownAlgorithmError } from './hash.ts'
import { galoisMultiply, parityMatrix, rebuildData } from './reed-solomon.ts'

/** Loading zlib takes milliseconds, which repositories without error correction need not wait for. */
const crc32 = (data: Uint8Array): number => process.getBuiltinModule('node:zlib').crc32(data)

/** The only name of spec 01, 1.20. */
export const eccNames: readonly string[] = ['REED-SOLOMON-CRC32']

/** Error correction around encrypted data. */
export interface Ecc {
  encode(input: Uint8Array): Buffer
  /** Throws TooManyErrorsError. May return a view of `stored`-sized memory of its own, never of `stored`. */
  decode(stored: Uint8Array): Buffer
}

/** Whether a format uses error correction (spec 01, 1.6). */
export function isEccActive(format: { readonly ecc: string; readonly eccOverheadPercent: number }): boolean {
  return format.ecc !== '' && format.eccOverheadPercent > 0
}

/** Throws UnknownAlgorithmError unless `name` is one of eccNames. */
export function checkEccName(name: string): void {
  if (!eccNames.includes(name)) throw new UnknownAlgorithmError('error correction', name, eccNames)
}

/** Shards of a repository that depend on the overhead only (spec 01, 1.20.1). */
export interface EccParameters {
  readonly maxShardBytes: number
  readonly dataShards: number
  readonly parityShards: number
  readonly smallInBytes: number
  readonly smallOutBytes: number
  readonly mediumInBytes: number
  readonly mediumOutBytes: number
}

interface Layout {
  readonly d: number
  readonly q: number
  readonly shardBytes: number
  readonly blocks: number
}

const crcBytes = 4
const lengthBytes = 4
const smallData = 6
const smallParity = 2
/** Shard size, data and parity shards for 1 to 7 percent. */
const lowOverheads: readonly (readonly [number, number, number])[] = [
  [1024, 254, 2],
  [512, 164, 2],
  [256, 139, 2],
  [128, 228, 2],
  [128, 128, 2],
  [128, 128, 3],
  [64, 254, 2],
]

/** Parameters for an overhead in percent, at least 1 (spec 01, 1.20.1). */
export function eccParameters(overheadPercent: number): EccParameters {
  const percent = Math.max(1, Math.trunc(overheadPercent))
  const parity = Math.min(128, Math.floor((128 * percent - 800) / 100))
  const [maxShardBytes, d, p] = lowOverheads[percent - 1] ?? [64, 128, parity]
  const smallInBytes = 8 * (d + p)
  return {
    maxShardBytes,
    dataShards: d,
    parityShards: p,
    smallInBytes,
    smallOutBytes: 8 * (crcBytes + Math.ceil(smallInBytes / smallData)),
    mediumInBytes: d * maxShardBytes,
    mediumOutBytes: (d + p) * (crcBytes + maxShardBytes),
  }
}

/** Error correction by name and overhead. Throws UnknownAlgorithmError. Source: spec 01, 1.20. */
export function createEcc(name: string, overheadPercent: number): Ecc {
  checkEccName(name)
  const parameters = eccParameters(overheadPercent)
  return { encode: (input) => encode(parameters, input), decode: (stored) => decode(parameters, stored) }
}

function layoutForInput(p: EccParameters, bytes: number): Layout {
  if (bytes <= p.smallInBytes) return { d: smallData, q: smallParity, shardBytes: Math.ceil(bytes / smallData), blocks: 1 }
  const { dataShards: d, parityShards: q } = p
  if (bytes <= p.mediumInBytes) return { d, q, shardBytes: Math.ceil(bytes / d), blocks: 1 }
  return { d, q, shardBytes: p.maxShardBytes, blocks: Math.ceil(bytes / p.mediumInBytes) }
}

function layoutForStored(p: EccParameters, bytes: number): Layout {
  const { dataShards: d, parityShards: q } = p
  if (bytes > p.mediumOutBytes) return { d, q, shardBytes: p.maxShardBytes, blocks: Math.ceil(bytes / p.mediumOutBytes) }
  const small = bytes <= p.smallOutBytes
  const shards = small ? smallData + smallParity : d + q
  const shardBytes = Math.max(Math.ceil(bytes / shards), crcBytes + 1) - crcBytes
  return small ? { d: smallData, q: smallParity, shardBytes, blocks: 1 } : { d, q, shardBytes, blocks: 1 }
}

function encode(p: EccParameters, input: Uint8Array): Buffer {
  const usedBytes = input.length + lengthBytes
  const { d, q, shardBytes: s, blocks } = layoutForInput(p, usedBytes)
  const data = Buffer.alloc(blocks * d * s)
  data.writeUInt32BE(input.length, 0)
  data.set(input, lengthBytes)
  const isLarge = usedBytes > p.mediumInBytes
  const dataEnd = isLarge ? usedBytes : data.length
  const parityStored = blocks * q * (crcBytes + s)
  const out = Buffer.allocUnsafe(parityStored + dataEnd + crcBytes * Math.ceil(dataEnd / s))
  const matrix = parityMatrix(d, q)
  const parity = Buffer.allocUnsafe(q * s)
  let at = 0
  for (let block = 0; block < blocks; block++) {
    galoisMultiply(matrix, q, d, data.subarray(block * d * s, (block + 1) * d * s), s, parity)
    for (let i = 0; i < q; i++) at = writeShard(out, at, parity.subarray(i * s, (i + 1) * s), s)
  }
  for (let from = 0; from < dataEnd; from += s) at = writeShard(out, at, data.subarray(from, from + s), Math.min(s, dataEnd - from))
  return out
}

/** The checksum covers the whole shard even where only its first `storedBytes` are written. */
function writeShard(out: Buffer, at: number, shard: Uint8Array, storedBytes: number): number {
  out.writeUInt32BE(crc32(shard), at)
  out.set(storedBytes === shard.length ? shard : shard.subarray(0, storedBytes), at + crcBytes)
  return at + crcBytes + storedBytes
}

function decode(p: EccParameters, stored: Uint8Array): Buffer {
  const layout = layoutForStored(p, stored.length)
  const { d, q, shardBytes: s, blocks } = layout
  const step = crcBytes + s
  const padded = Buffer.alloc(blocks * (d + q) * step)
  padded.set(stored)
  const dataStart = blocks * q * step
  const data = Buffer.allocUnsafe(blocks * d * s)
  for (let block = 0; block < blocks; block++) {
    const missing: number[] = []
    for (let j = 0; j < d; j++) {
      const at = dataStart + (block * d + j) * step
      const shard = padded.subarray(at + crcBytes, at + step)
      if (at < stored.length && crc32(shard) !== padded.readUInt32BE(at)) missing.push(j)
      data.set(shard, (block * d + j) * s)
    }
    if (missing.length > 0) repairBlock(layout, padded.subarray(block * q * step, (block + 1) * q * step), data, block, missing)
  }
  const length = data.readUInt32BE(0)
  return data.subarray(lengthBytes, Math.min(data.length, lengthBytes + length))
}

function repairBlock({ d, q, shardBytes: s }: Layout, storedParity: Buffer, data: Buffer, block: number, missing: readonly number[]): void {
  const step = crcBytes + s
  const parity = Buffer.allocUnsafe(q * s)
  const good: number[] = []
  for (let i = 0; i < q; i++) {
    const shard = storedParity.subarray(i * step + crcBytes, (i + 1) * step)
    parity.set(shard, i * s)
    if (crc32(shard) === storedParity.readUInt32BE(i * step)) good.push(i)
  }
  if (good.length < missing.length) {
    throw new TooManyErrorsError(
      `error correction cannot rebuild ${missing.length} damaged shards with ${good.length} intact parity shards; the data is lost`,
    )
  }
  rebuildData(d, q, data.subarray(block * d * s, (block + 1) * d * s), parity, s, missing, good)
}
