import { messageOf } from '#base/errors.ts'
import type { BlobId, BlobReader } from '#repo/blob/storage.ts'
import type { ContentId } from './content-id.ts'
import { allIds, type ContentInfo, type IdRange } from './content-info.ts'
import type { ContentReader } from './store.ts'

/** Signals and timers get a turn at least this often, looked at every so many contents. */
const longestTurnMs = 50
const yieldEvery = 1000

/** Its pack is not there, ends before it, or does not give it back. */
export type ContentFault = 'missing pack' | 'truncated pack' | 'unreadable'

export interface VerifyOptions {
  readonly range?: IdRange
  readonly includeDeleted?: boolean
  /** Share of contents that are read in full, 0 to 100. */
  readonly readPercent?: number
  readonly parallelism?: number
  /** Uniform numbers from 0 up to 1; chooses what is read. */
  readonly random?: () => number
  readonly onError?: (id: ContentId, message: string, fault: ContentFault, info: ContentInfo) => void
  readonly onProgress?: (checked: number) => void
}

export interface VerifyResult {
  readonly checked: number
  readonly read: number
  readonly errors: number
}

/** Checks that each content's pack exists and is long enough, and reads a share of them. Problems are counted and reported, not thrown;
 *  errors of the listing are thrown. Source: spec 02, 7.5. */
export async function verifyContents(contents: ContentReader, storage: BlobReader, options: VerifyOptions = {}): Promise<VerifyResult> {
  const { range = allIds, includeDeleted = false, readPercent = 0, parallelism = 4, random = Math.random, onError, onProgress } = options
  const packs = await packSizes(storage)
  const result = { checked: 0, read: 0, errors: 0 }
  const fail = (info: ContentInfo, fault: ContentFault, message: string): void => {
    result.errors++
    onError?.(info.id, message, fault, info)
  }
  const done = (): void => {
    result.checked++
    onProgress?.(result.checked)
  }
  const read = async (info: ContentInfo): Promise<void> => {
    result.read++
    const problem = await contents.get(info.id).then(() => undefined, messageOf)
    if (problem !== undefined) fail(info, 'unreadable', problem)
    done()
  }
  // Only reading waits: a promise for each of millions of contents would take longer than to look at them.
  const reading = new Set<Promise<void>>()
  let yieldedMs = performance.now()
  for (const info of contents.iterate(range, includeDeleted)) {
    const size = packs.get(info.packBlob)
    if (size === undefined) fail(info, 'missing pack', `its pack ${info.packBlob} is not in the storage`)
    else if (info.packOffset + info.packedLength > size)
      fail(info, 'truncated pack', `its pack ${info.packBlob} is too short: ${size} bytes`)
    else if (readPercent > 0 && random() * 100 < readPercent) {
      const one: Promise<void> = read(info).finally(() => reading.delete(one))
      reading.add(one)
      if (reading.size >= parallelism) await Promise.race(reading)
      continue
    }
    done()
    if (result.checked % yieldEvery === 0 && performance.now() - yieldedMs > longestTurnMs) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      yieldedMs = performance.now()
    }
  }
  await Promise.all(reading)
  return result
}

async function packSizes(storage: BlobReader): Promise<Map<BlobId, number>> {
  const sizes = new Map<BlobId, number>()
  for (const prefix of ['p', 'q']) for await (const { id, sizeBytes } of storage.list(prefix)) sizes.set(id, sizeBytes)
  return sizes
}
