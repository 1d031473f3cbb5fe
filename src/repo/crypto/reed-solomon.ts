import { nativeAddon } from '#base/native.ts'

// GF(2^8) with polynomial 0x11d and generator 2 (spec 01, 1.20.4).
const exponents = new Uint8Array(510)
const logarithms = new Uint8Array(256)
for (let i = 0, x = 1; i < 255; i++) {
  exponents[i] = x
  exponents[i + 255] = x
  logarithms[x] = i
  x <<= 1
  if (x & 0x100) x ^= 0x11d
}

let productTable: Uint8Array | undefined

/** Row a holds a·b for every b. Made on first use: most repositories have no error correction. */
function productsOf(): Uint8Array {
  if (productTable) return productTable
  productTable = new Uint8Array(65536)
  for (let a = 1; a < 256; a++) {
    for (let b = 1; b < 256; b++) productTable[a * 256 + b] = exponents[logOf(a) + logOf(b)] as number
  }
  return productTable
}

function logOf(a: number): number {
  return logarithms[a] as number
}

const inverseOf = (a: number): number => exponents[255 - logOf(a)] as number

const cachedMatrices = new Map<number, Uint8Array>()

/** The q × d parity matrix, row after row: the lower part of the systematic Vandermonde matrix (spec 01, 1.20.4). d + q ≤ 256. */
export function parityMatrix(d: number, q: number): Uint8Array {
  const key = d * 1000 + q
  let matrix = cachedMatrices.get(key)
  if (!matrix) {
    matrix = computeParityMatrix(d, q)
    cachedMatrices.set(key, matrix)
  }
  return matrix
}

function computeParityMatrix(d: number, q: number): Uint8Array {
  const matrix = new Uint8Array(q * d)
  const denominators = new Int32Array(d)
  for (let j = 0; j < d; j++) {
    let sum = 0
    for (let m = 0; m < d; m++) if (m !== j) sum += logOf(j ^ m)
    denominators[j] = sum
  }
  for (let i = 0; i < q; i++) {
    const r = d + i
    let all = 0
    for (let m = 0; m < d; m++) all += logOf(r ^ m)
    for (let j = 0; j < d; j++) {
      const log = (all - logOf(r ^ j) - (denominators[j] as number)) % 255
      matrix[i * d + j] = exponents[log < 0 ? log + 255 : log] as number
    }
  }
  return matrix
}

/** out = matrix (rows × columns) × shards, which lie one after another, as does the result. */
export function galoisMultiply(
  matrix: Uint8Array,
  rows: number,
  columns: number,
  shards: Uint8Array,
  shardBytes: number,
  out: Uint8Array,
): void {
  const native = nativeAddon()
  if (native) native.galoisMultiply(matrix, rows, columns, shards, shardBytes, out)
  else galoisMultiplyTwin(matrix, rows, columns, shards, shardBytes, out)
}

/** The same without the addon. */
export function galoisMultiplyTwin(
  matrix: Uint8Array,
  rows: number,
  columns: number,
  shards: Uint8Array,
  shardBytes: number,
  out: Uint8Array,
): void {
  const products = productsOf()
  out.fill(0, 0, rows * shardBytes)
  for (let row = 0; row < rows; row++) {
    const start = row * shardBytes
    for (let column = 0; column < columns; column++) {
      const base = (matrix[row * columns + column] as number) << 8
      const from = column * shardBytes
      for (let x = 0; x < shardBytes; x++) {
        out[start + x] = (out[start + x] as number) ^ (products[base + (shards[from + x] as number)] as number)
      }
    }
  }
}

/** Rebuilds the data shards `missing` of a block in place; what they held is overwritten. `data` are d shards and `parity` q shards of
 *  `shardBytes`; `goodParity` lists intact parity shards, at least as many as are missing. */
export function rebuildData(
  d: number,
  q: number,
  data: Uint8Array,
  parity: Uint8Array,
  shardBytes: number,
  missing: readonly number[],
  goodParity: readonly number[],
): void {
  const count = missing.length
  const matrix = parityMatrix(d, q)
  for (const j of missing) data.fill(0, j * shardBytes, (j + 1) * shardBytes)
  // With the missing shards as zeros, parity + M·data is what the missing ones contribute: solve for them.
  const rows = new Uint8Array(count * d)
  const square = new Uint8Array(count * count)
  for (let i = 0; i < count; i++) {
    const from = (goodParity[i] as number) * d
    rows.set(matrix.subarray(from, from + d), i * d)
    for (let k = 0; k < count; k++) square[i * count + k] = matrix[from + (missing[k] as number)] as number
  }
  const syndromes = new Uint8Array(count * shardBytes)
  galoisMultiply(rows, count, d, data, shardBytes, syndromes)
  for (let i = 0; i < count; i++) {
    const from = (goodParity[i] as number) * shardBytes
    for (let x = 0; x < shardBytes; x++) {
      syndromes[i * shardBytes + x] = (syndromes[i * shardBytes + x] as number) ^ (parity[from + x] as number)
    }
  }
  const rebuilt = new Uint8Array(count * shardBytes)
  galoisMultiply(invert(square, count), count, count, syndromes, shardBytes, rebuilt)
  for (let k = 0; k < count; k++) {
    data.set(rebuilt.subarray(k * shardBytes, (k + 1) * shardBytes), (missing[k] as number) * shardBytes)
  }
}

/** Inverse of an n × n matrix by Gauss-Jordan elimination; every square part of a parity matrix has one. */
function invert(matrix: Uint8Array, n: number): Uint8Array {
  const work = new Uint8Array(matrix)
  const result = new Uint8Array(n * n)
  for (let i = 0; i < n; i++) result[i * n + i] = 1
  for (let column = 0; column < n; column++) {
    let pivot = column
    while (pivot < n && work[pivot * n + column] === 0) pivot++
    if (pivot === n) throw new RangeError('the matrix has no inverse')
    if (pivot !== column) {
      addRow(work, n, pivot, column, 1)
      addRow(result, n, pivot, column, 1)
    }
    const scale = inverseOf(work[column * n + column] as number)
    scaleRow(work, n, column, scale)
    scaleRow(result, n, column, scale)
    for (let row = 0; row < n; row++) {
      const factor = work[row * n + column] as number
      if (row === column || factor === 0) continue
      addRow(work, n, column, row, factor)
      addRow(result, n, column, row, factor)
    }
  }
  return result
}

function addRow(m: Uint8Array, n: number, from: number, to: number, factor: number): void {
  const products = productsOf()
  const base = factor << 8
  for (let x = 0; x < n; x++) m[to * n + x] = (m[to * n + x] as number) ^ (products[base + (m[from * n + x] as number)] as number)
}

function scaleRow(m: Uint8Array, n: number, row: number, factor: number): void {
  const products = productsOf()
  const base = factor << 8
  for (let x = 0; x < n; x++) m[row * n + x] = products[base + (m[row * n + x] as number)] as number
}
