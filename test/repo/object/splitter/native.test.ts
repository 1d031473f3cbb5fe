import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import { findBuzhashCut } from '#repo/object/splitter/buzhash.ts'
import { findRabinKarpCut } from '#repo/object/splitter/rabin-karp.ts'
import { recipe } from '../recipes.ts'

const addon = nativeAddon()

describe.skipIf(!addon)('the native addon (skipped where it is not built)', () => {
  it.each([
    [0, findBuzhashCut],
    [1, findRabinKarpCut],
  ] as const)('cuts where the twin of kind %i does', (kind, twin) => {
    const data = recipe('sha', 1_500_000)
    fc.assert(
      fc.property(
        fc.nat(1_200_000),
        fc.nat(300_000),
        fc.nat(300_000),
        fc.constantFrom(128, 4096, 131072, 262144),
        (start, length, seen, average) => {
          const known = data.subarray(0, start + length)
          const resume = Math.min(known.length, start + seen)
          expect(addon?.findCut(kind, average, known, start, resume)).toBe(twin(average, known, start, resume))
        },
      ),
      { numRuns: 300 },
    )
  })
})
