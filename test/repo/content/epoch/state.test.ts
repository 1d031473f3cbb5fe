import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { BlobInfo } from '#repo/blob/storage.ts'
import { EpochManager } from '#repo/content/epoch/manager.ts'
import { completeSet, epochOfName, rangeOfName, watermarkOfName } from '#repo/content/epoch/names.ts'
import { activeIndexBlobs, bestChain, deriveEpochState } from '#repo/content/epoch/state.ts'
import { createIndexBlobManager } from '#repo/content/index-blobs/create.ts'
import { sharedPath } from '../../../support/shared.ts'
import { defaultEpochs, putNames, testContext, withoutEpochs } from '../index-blobs/context.ts'

interface Vectors {
  readonly kopia: readonly {
    repository: string
    epochs: boolean
    names: string[]
    active: string[]
    writeEpoch?: number
    watermark?: number | null
    chain?: [number, number][]
  }[]
  readonly completeSets: readonly { names: string[]; set: string[] | null }[]
  readonly chains: readonly { ranges: [number, number][]; chain: [number, number][] }[]
}
const vectors = JSON.parse(readFileSync(sharedPath('spec/vectors/index-sets.json'), 'utf8')) as Vectors

const blob = (id: string): BlobInfo => ({ id, sizeBytes: 0, modifiedMs: 0 })
const ids = (blobs: readonly BlobInfo[]): string[] => blobs.map(({ id }) => id).sort()

test.each(vectors.kopia)('the active set of $repository is the one Kopia uses', async (v) => {
  const context = testContext(v.epochs ? {} : { formatOver: withoutEpochs })
  await putNames(context, [...v.names].reverse())
  const manager = createIndexBlobManager(context)
  const active = await manager.activeSet()
  expect(ids(active.blobs)).toEqual([...v.active].sort())
  expect(active.watermarkSeconds).toBe(v.watermark ?? undefined)
  expect(manager.epochs instanceof EpochManager).toBe(v.epochs)
  if (!manager.epochs) return
  const state = await manager.epochs.state()
  expect(state.writeEpoch).toBe(v.writeEpoch)
  expect(state.chain.map(({ first, last }) => [first, last])).toEqual(v.chain)
})

test.each(vectors.completeSets)('of $names the complete set is $set', ({ names, set }) => {
  expect(completeSet(names.map(blob))?.map(({ id }) => id) ?? null).toEqual(set)
})

test('the first set to become complete is used', () => {
  const names = ['xs3_a-s1-c2', 'xs3_b-s2-c2', 'xs3_c-s2-c2', 'xs3_d-s1-c2']
  expect(completeSet(names.map(blob))?.map(({ id }) => id)).toEqual(['xs3_b-s2-c2', 'xs3_c-s2-c2'])
  expect(completeSet(['xs3_a-s1-c0', 'xs3_b-s1-c0'].map(blob))).toBeUndefined()
  expect(completeSet([])).toBeUndefined()
})

const rangesOf = (pairs: readonly (readonly [number, number])[]) => pairs.map(([first, last]) => ({ first, last, blobs: [] }))

test.each([
  ...vectors.chains,
  { ranges: [[0, 0]], chain: [] },
  {
    ranges: [
      [0, 0],
      [1, 5],
    ],
    chain: [
      [0, 0],
      [1, 5],
    ],
  },
  { ranges: [], chain: [] },
  {
    ranges: [
      [0, 3],
      [4, 9],
      [0, 5],
      [6, 8],
    ],
    chain: [
      [0, 3],
      [4, 9],
    ],
  },
  {
    ranges: [
      [0, 3],
      [4, 6],
      [7, 9],
      [0, 6],
    ],
    chain: [
      [0, 6],
      [7, 9],
    ],
  },
] as Vectors['chains'])('of ranges $ranges the chain is $chain', ({ ranges, chain }) => {
  for (const order of [ranges, [...ranges].reverse()])
    expect(bestChain(rangesOf(order)).map(({ first, last }) => [first, last])).toEqual(chain)
})

describe('names', () => {
  test.each([
    ['xe7', 7],
    ['xe007', 7],
    ['xn12_ab-s1-c1', 12],
    ['xn_ab', undefined],
    ['xe', undefined],
    ['xe7a', undefined],
    ['xe-7', 7],
    ['xe99999999999999999999', undefined],
  ])('%s belongs to epoch %s', (name, epoch) => {
    expect(epochOfName(name)).toBe(epoch)
  })

  test.each([
    ['xr0_7_ab-s1-c1', { first: 0, last: 7 }],
    ['xr00_07_ab', { first: 0, last: 7 }],
    ['xr0_7', undefined],
    ['xr7_0_ab', undefined],
    ['xr0_a_b', undefined],
    ['xr_1_b', undefined],
  ])('%s covers %o', (name, range) => {
    expect(rangeOfName(name)).toEqual(range)
  })

  test.each([
    ['xw1795586470', 1795586470],
    ['xw-5', -5],
    ['xw+5', 5],
    ['xw', undefined],
    ['xw1.5', undefined],
    ['xw 1', undefined],
  ])('%s is the watermark %s', (name, seconds) => {
    expect(watermarkOfName(name)).toBe(seconds)
  })
})

describe('the blobs that readers use', () => {
  const activeOf = async (names: readonly string[]): Promise<string[]> => {
    const all = names.map(blob)
    const state = deriveEpochState(all, defaultEpochs, 0)
    return (await activeIndexBlobs(state, () => Promise.resolve(all.filter(({ id }) => id.startsWith('xn'))))).map(({ id }) => id)
  }

  test.each([
    ['a new repository', ['xn0_a-s1-c1'], ['xn0_a-s1-c1']],
    ['nothing', [], []],
    ['incomplete xn sets are used', ['xn0_a-s1-c2'], ['xn0_a-s1-c2']],
    ['the epoch after the write epoch', ['xe1', 'xn2_a', 'xn3_a'], ['xn2_a']],
    ['a set of a settled epoch replaces its blobs', ['xe2', 'xn0_a', 'xs0_b', 'xn1_c'], ['xs0_b', 'xn1_c']],
    ['a set of an epoch that is not settled does not', ['xe2', 'xn1_a', 'xs1_b'], ['xn1_a']],
    ['an incomplete set does not', ['xe2', 'xn0_a', 'xs0_b-s1-c2'], ['xn0_a']],
    ['a range replaces everything in it', ['xe9', 'xn3_a', 'xs3_b', 'xr0_7_c', 'xn8_d', 'xn9_e'], ['xr0_7_c', 'xn8_d', 'xn9_e']],
    ['an incomplete range does not', ['xe9', 'xn3_a', 'xr0_7_c-s1-c2'], ['xn3_a']],
    ['gaps between sets are read from xn', ['xe9', 'xs0_a', 'xn1_b', 'xs2_c', 'xn4_d'], ['xs0_a', 'xn1_b', 'xs2_c', 'xn4_d']],
    ['an absurd write epoch does not hang', ['xe9007199254740', 'xn0_a', 'xn5_b'], ['xn0_a', 'xn5_b']],
  ])('%s', async (_what, names, active) => {
    expect(await activeOf(names)).toEqual(active)
    expect(await activeOf([...names].reverse())).toEqual(active)
  })

  test('nothing is listed when the state holds all', async () => {
    const state = deriveEpochState(['xe1', 'xn0_a', 'xn1_b', 'xw7', 'xw5', 'xwbad'].map(blob), defaultEpochs, 1000)
    expect(ids(await activeIndexBlobs(state, () => Promise.reject(new Error('listed'))))).toEqual(['xn0_a', 'xn1_b'])
    expect([state.watermarkSeconds, state.validUntilMs]).toEqual([7, 1000 + 20 * 60_000])
  })
})
