import { nativeAddon } from '#base/native.ts'
import { type SplitterType, windowBytes } from './splitter.ts'

/** Modulus over GF(2), degree 53: a parameter of the format (spec 03, 2.5). */
const polynomial = 0x2e3e3e4a305605n
const degree = 53n

/** The two tables of the rolling hash, each as high and low 32-bit halves. */
export interface RabinTables {
  readonly outHigh: Uint32Array
  readonly outLow: Uint32Array
  readonly modHigh: Uint32Array
  readonly modLow: Uint32Array
}

let tables: RabinTables | undefined

/** OUT[b] = b·x^504 mod P and MOD[b] = (b·x^53 mod P) | b << 53, computed once. */
export function rabinTables(): RabinTables {
  if (tables) return tables
  const made = { outHigh: new Uint32Array(256), outLow: new Uint32Array(256), modHigh: new Uint32Array(256), modLow: new Uint32Array(256) }
  for (let b = 0; b < 256; b++) {
    const out = timesPowerOfX(BigInt(b), 8 * (windowBytes - 1))
    const mod = timesPowerOfX(BigInt(b), Number(degree)) | (BigInt(b) << degree)
    made.outHigh[b] = Number(out >> 32n)
    made.outLow[b] = Number(out & 0xffffffffn)
    made.modHigh[b] = Number(mod >> 32n)
    made.modLow[b] = Number(mod & 0xffffffffn)
  }
  tables = made
  return made
}

function timesPowerOfX(value: bigint, power: number): bigint {
  let v = value
  for (let i = 0; i < power; i++) {
    v <<= 1n
    if ((v >> degree) & 1n) v ^= polynomial
  }
  return v
}

/** Content-defined cuts by a 64-bit Rabin-Karp hash; `averageBytes` is a power of two of at least 128 (spec 03, 2.3 and 2.5). */
export function rabinKarpSplitter(name: string, averageBytes: number): SplitterType {
  return {
    name,
    minBytes: averageBytes / 2,
    maxBytes: averageBytes * 2,
    findCut(data, start, resume) {
      if (data.length - start < averageBytes / 2) return -1
      return nativeAddon()?.findCut(1, averageBytes, data, start, resume) ?? findRabinKarpCut(averageBytes, data, start, resume)
    },
  }
}

/** The twin of the addon's findCut with kind 1. The 53-bit hash is kept in two halves: BigInt per byte would be 50 times slower. */
export function findRabinKarpCut(averageBytes: number, data: Uint8Array, start: number, resume: number): number {
  const { outHigh, outLow, modHigh, modLow } = rabinTables()
  const mask = averageBytes - 1
  const limit = start + averageBytes * 2
  const stop = Math.min(data.length, limit)
  // `end` is the position being tested: a segment of data[start, end).
  let end = Math.max(start + averageBytes / 2, resume + 1)
  if (end > stop) return stop === limit ? limit : -1
  let high = 0
  let low = 0
  for (let i = end - windowBytes; i < end; i++) {
    const top = (high >>> 13) & 0xff
    high = ((high << 8) | (low >>> 24)) ^ (modHigh[top] as number)
    low = ((low << 8) | (data[i] as number)) ^ (modLow[top] as number)
  }
  while ((low & mask) !== 0) {
    if (end === stop) return stop === limit ? limit : -1
    const leaving = data[end - windowBytes] as number
    high ^= outHigh[leaving] as number
    low ^= outLow[leaving] as number
    const top = (high >>> 13) & 0xff
    high = ((high << 8) | (low >>> 24)) ^ (modHigh[top] as number)
    low = ((low << 8) | (data[end] as number)) ^ (modLow[top] as number)
    end++
  }
  return end
}
