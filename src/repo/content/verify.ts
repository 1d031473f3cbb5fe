import { messageOf } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import type { BlobId, BlobReader } from '#repo/blob/storage.ts'
import type { ContentId } from './content-id.ts'
import { allIds, type ContentInfo, type IdRange } from './content-info.ts'
import type { ContentReader } from './store.ts'

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
  const check = async (info: ContentInfo): Promise<void> => {
    const size = packs.get(info.packBlob)
    const fail = (fault: ContentFault, message: string): void => {
      result.errors++
      onError?.(info.id, message, fault, info)
    }
    if (size === undefined) fail('missing pack', `its pack ${info.packBlob} is not in the storage`)
    else if (info.packOffset + info.packedLength > size) fail('truncated pack', `its pack ${info.packBlob} is too short: ${size} bytes`)
    else if (readPercent > 0 && random() * 100 < readPercent) {
      result.read++
      const problem = await contents.get(info.id).then(() => undefined, messageOf)
      if (problem !== undefined) fail('unreadable', problem)
    }
    result.checked++
    onProgress?.(result.checked)
  }
  await mapLimited(contents.iterate(range, includeDeleted), parallelism, check)
  return result
}

async function packSizes(storage: BlobReader): Promise<Map<BlobId, number>> {
  const sizes = new Map<BlobId, number>()
  for (const prefix of ['p', 'q']) for await (const { id, sizeBytes } of storage.list(prefix)) sizes.set(id, sizeBytes)
  return sizes
}
