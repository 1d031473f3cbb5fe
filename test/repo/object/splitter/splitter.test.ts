import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findBuzhashCut } from '#repo/object/splitter/buzhash.ts'
import { buzhashTable } from '#repo/object/splitter/buzhash-table.ts'
import { findRabinKarpCut, rabinTables } from '#repo/object/splitter/rabin-karp.ts'
import { type SplitterType, splitterByName, splitterNames } from '#repo/object/splitter/registry.ts'
import { sharedPath } from '../../../support/shared.ts'
import { recipe } from '../recipes.ts'

const vector = (name: string) => JSON.parse(readFileSync(sharedPath(`spec/vectors/${name}.json`), 'utf8')) as unknown

interface Objects {
  readonly splitters: readonly { readonly splitter: string; readonly chunks: Readonly<Record<string, readonly number[]>> }[]
}

function named(name: string): SplitterType {
  const found = splitterByName(name)
  if (!found) throw new Error(name)
  return found
}

/** Segment lengths when all of `data` is there at once. */
function segments(splitter: SplitterType, data: Uint8Array): number[] {
  const lengths: number[] = []
  for (let start = 0; start < data.length; ) {
    const cut = splitter.findCut(data, start, start)
    const end = cut < 0 ? data.length : cut
    lengths.push(end - start)
    start = end
  }
  return lengths
}

const d3m = recipe('sha', 3145728)

describe('tables', () => {
  it('are those of the format', () => {
    const words = Buffer.from(buzhashTable.buffer)
    expect(createHash('sha256').update(words).digest('hex')).toBe('8b089027ee3aa8dc8ed3311bae87113e09c4aaefb631b701f670a9d99c4c3e63')
    const { out, mod } = vector('rabinkarp64') as { out: string[]; mod: string[] }
    const { outHigh, outLow, modHigh, modLow } = rabinTables()
    const joined = (high: Uint32Array, low: Uint32Array) =>
      Array.from(high, (h, i) => `0x${((BigInt(h) << 32n) | BigInt(low[i] as number)).toString(16)}`)
    expect(joined(outHigh, outLow)).toEqual(out)
    expect(joined(modHigh, modLow)).toEqual(mod)
  })
})

describe('cuts of the vectors', () => {
  const seven = recipe('seven', 1048576)
  for (const { splitter, chunks } of (vector('objects') as Objects).splitters)
    it(splitter, () => {
      if (chunks.d3m) expect(segments(named(splitter), d3m)).toEqual(chunks.d3m)
      if (chunks.seven1m) expect(segments(named(splitter), seven)).toEqual(chunks.seven1m)
    })

  it('runs of one byte are cut at the minimum', () => {
    const zeros = Buffer.alloc(3145728)
    for (const kind of ['BUZHASH', 'RABINKARP']) {
      expect(segments(named(`DYNAMIC-1M-${kind}`), zeros)).toEqual([524288, 524288, 524288, 524288, 524288, 524288])
      expect(segments(named(`DYNAMIC-4M-${kind}`), zeros)).toEqual([2097152, 1048576])
    }
  })
})

describe('feeding', () => {
  it.each(['DYNAMIC-128K-BUZHASH', 'DYNAMIC-128K-RABINKARP', 'FIXED-128K'])(
    '%s cuts at the same places however the data arrives',
    (name) => {
      const splitter = named(name)
      const whole = d3m.subarray(0, 900_000)
      const expected = segments(splitter, whole)
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 20 }), (pieces) => {
          const lengths: number[] = []
          let start = 0
          let resume = 0
          let piece = 0
          for (let known = 0; known < whole.length; ) {
            known = Math.min(whole.length, known + (pieces[piece++ % pieces.length] as number) + 1000)
            for (;;) {
              const cut = splitter.findCut(whole.subarray(0, known), start, resume)
              if (cut < 0) break
              lengths.push(cut - start)
              start = cut
              resume = cut
            }
            resume = known
          }
          if (start < whole.length) lengths.push(whole.length - start)
          expect(lengths).toEqual(expected)
        }),
        { numRuns: 40 },
      )
    },
  )

  it('a byte at a time around a cut', () => {
    const cut = 93743
    for (let known = cut - 3; known < cut; known++) expect(findBuzhashCut(131072, d3m.subarray(0, known), 0, known - 1)).toBe(-1)
    expect(findBuzhashCut(131072, d3m.subarray(0, cut), 0, cut - 1)).toBe(cut)
    expect(findRabinKarpCut(131072, d3m.subarray(0, 157103), 0, 157102)).toBe(157103)
    expect(findBuzhashCut(131072, d3m.subarray(10, 10 + cut), 0, 0)).toBe(cut - 10)
  })

  it('the largest segment ends exactly at its bound', () => {
    const data = recipe('seven', 262144)
    expect(findBuzhashCut(131072, data.subarray(0, 262143), 0, 0)).toBe(-1)
    expect(findBuzhashCut(131072, data, 0, 262143)).toBe(262144)
    expect(findRabinKarpCut(131072, data, 0, 0)).toBe(262144)
  })
})

describe('registry', () => {
  it('holds the names of the format', () => {
    expect(splitterNames).toHaveLength(23)
    expect(splitterNames.slice(0, 3)).toEqual(['DYNAMIC', 'DYNAMIC-128K-BUZHASH', 'DYNAMIC-128K-RABINKARP'])
    expect(splitterByName('dynamic')).toBeUndefined()
    expect(splitterByName('')).toBeUndefined()
    expect(named('FIXED')).toMatchObject({ minBytes: 4194304, maxBytes: 4194304 })
    expect(named('DYNAMIC')).toMatchObject({ minBytes: 2097152, maxBytes: 8388608 })
  })
})
