import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nativeAddon, whyNoNativeAddon } from '#base/native.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { runFsck } from '../support/referee.ts'
import { contentsOf, type Input, writeObjects } from '../support/same-objects.ts'
import { scratchFolders } from '../support/scratch.ts'
import { withCode } from '../support/two-codes.ts'

const password = 'test-password'
const scratch = scratchFolders()
const mib = 2 ** 20

/** Sizes around the shortest, usual and longest segments of the 4 MiB splitters, up to 40 MB. */
const large = [2 * mib - 1, 2 * mib, 4 * mib, 4 * mib + 1, 8 * mib, 8 * mib + 1, 21 * mib, 40_000_000]
const small = [0, 1, 63, 64, 65, 1023, 1024, 1025, 65_535, 65_536, 65_537, 1_000_000]

const inputs: readonly Input[] = [
  { format: {}, compressors: ['', 's2-default'], sizes: [...small, ...large], seed: 1 },
  {
    format: { hash: 'BLAKE3-256', encryption: 'CHACHA20-POLY1305-HMAC-SHA256', splitter: 'DYNAMIC-2M-RABINKARP' },
    compressors: ['zstd-fastest', ''],
    sizes: [...small, 4 * mib, 4 * mib + 1, 40_000_000],
    seed: 2,
  },
  {
    format: { hash: 'BLAKE2S-256', splitter: 'FIXED-1M', eccOverheadPercent: 5 },
    compressors: ['deflate-best-speed', ''],
    sizes: [...small, mib - 1, mib, mib + 1, 3 * mib],
    seed: 3,
  },
]

const whyNot = nativeAddon() ? '' : ` (skipped, no addon: ${whyNoNativeAddon()})`

describe.skipIf(whyNot !== '')(`addon and twins${whyNot}`, () => {
  it.each(inputs)('write the same up to 40 MB, and nothing that the strict checker objects to: $format', async (input) => {
    const folder = scratch()
    const paths = { addon: join(folder, 'addon'), twins: join(folder, 'twins') }
    await withCode('addon', async ({ filesystem, create }) => {
      const storage = await filesystem.filesystemBackend.open(filesystemOptions(paths.addon), true)
      await create.createRepository(storage, input.format, password)
      await storage.close()
    })
    cpSync(paths.addon, paths.twins, { recursive: true })
    const results: unknown[] = []
    for (const kind of ['addon', 'twins'] as const) {
      await withCode(kind, async ({ filesystem, open }) => {
        const storage = await filesystem.filesystemBackend.open(filesystemOptions(paths[kind]), false)
        const repository = await open.openRepositoryDirectly(storage, password)
        const ids = await writeObjects(repository, input)
        results.push([ids, contentsOf(repository, input.compressors)])
        await repository.close()
      })
    }
    expect(results[1]).toEqual(results[0])
    for (const path of Object.values(paths)) {
      const { status, output } = await runFsck(path, password)
      expect({ status, output: status === 0 ? '' : output }).toEqual({ status: 0, output: '' })
    }
  })
})
