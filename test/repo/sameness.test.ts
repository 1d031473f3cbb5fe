import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nativeAddon, whyNoNativeAddon } from '#base/native.ts'
import type { StoredBlob } from '#repo/blob/memory.ts'
import { cipherNames } from '#repo/crypto/cipher.ts'
import { hashNames } from '#repo/crypto/hash.ts'
import { fastKey } from '../support/fast-key.ts'
import { bytesOf, contentsOf, type Input, writeObjects } from '../support/same-objects.ts'
import { withCode } from '../support/two-codes.ts'

const password = 'test-password'

/** Sizes around what the hashes, ciphers and splitters take at once, and around the shortest and longest segment of 128 KiB splitters. */
const around = [0, 16, 64, 128, 1024, 4096, 65_536, 131_072, 262_144, 393_216]

const inputs: fc.Arbitrary<Input> = fc.record({
  format: fc.record({
    hash: fc.constantFrom(...hashNames),
    encryption: fc.constantFrom(...cipherNames),
    splitter: fc.constantFrom('FIXED-128K', 'DYNAMIC-128K-BUZHASH', 'DYNAMIC-128K-RABINKARP', 'DYNAMIC-256K-RABINKARP'),
    eccOverheadPercent: fc.constantFrom(0, 0, 2, 15),
    deriveKey: fc.constant(fastKey),
  }),
  compressors: fc.constantFrom(['', 's2-default'], ['gzip', 'deflate-best-speed', 's2-better'], ['zstd', 'zstd-fastest']),
  sizes: fc.array(
    fc.tuple(fc.constantFrom(...around), fc.integer({ min: -1, max: 1 })).map(([size, more]) => Math.max(0, size + more)),
    { minLength: 4, maxLength: 8 },
  ),
  seed: fc.nat(1000),
})

const whyNot = nativeAddon() ? '' : ` (skipped, no addon: ${whyNoNativeAddon()})`

describe.skipIf(whyNot !== '')(`addon and twins${whyNot}`, () => {
  it('make the same objects and contents of the same input, and read what the other has written', async () => {
    const settings = { deriveKey: fastKey }
    const cases = fc.sample(inputs, { numRuns: 10, seed: 3 })
    // Repositories are made once, so that both codes have the same secrets.
    const blobs = await withCode('addon', ({ memory, create }) =>
      Promise.all(
        cases.map(async ({ format }) => {
          const made = new Map<string, StoredBlob>()
          await create.createRepository(memory.memoryStorage(undefined, made), format, password)
          return { addon: new Map(made), twins: made }
        }),
      ),
    )
    const results = { addon: [] as unknown[], twins: [] as unknown[] }
    for (const kind of ['addon', 'twins'] as const) {
      await withCode(kind, async ({ memory, open }) => {
        for (const [i, input] of cases.entries()) {
          const storage = memory.memoryStorage(undefined, blobs[i]?.[kind] as Map<string, StoredBlob>)
          const repository = await open.openRepositoryDirectly(storage, password, settings)
          const ids = await writeObjects(repository, input)
          results[kind].push([ids, contentsOf(repository, input.compressors)])
          await repository.close()
        }
      })
    }
    for (const [i, input] of cases.entries()) expect(results.twins[i], JSON.stringify(input)).toEqual(results.addon[i])
    for (const [kind, other] of [
      ['addon', 'twins'],
      ['twins', 'addon'],
    ] as const) {
      await withCode(kind, async ({ memory, open }) => {
        for (const [i, { sizes, seed }] of cases.entries()) {
          const storage = memory.memoryStorage(undefined, blobs[i]?.[other] as Map<string, StoredBlob>)
          const repository = await open.openRepositoryDirectly(storage, password, settings)
          const [ids] = results.addon[i] as [never[]]
          for (const [k, size] of sizes.entries()) {
            const read = await repository.objects.readAll(ids[k] as never)
            expect(read.equals(bytesOf(size, seed)), `${size} bytes of ${other}`).toBe(true)
          }
          await repository.close()
        }
      })
    }
  })
})
