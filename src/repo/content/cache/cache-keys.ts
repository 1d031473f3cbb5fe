import type { BlobId } from '#repo/blob/storage.ts'
import type { ContentInfo } from '../content-info.ts'

/** Key of one content in the `contents` cache: the ID with a prefix letter moved to the very end (spec 02, 6.4). */
export function contentCacheKey(info: ContentInfo): string {
  const tail = [info.compressionHeader, info.formatVersion, info.encryptionKeyId].map((n) => n.toString(16)).join('.')
  const prefixed = info.id.length % 2 === 1
  return prefixed ? `${info.id.slice(1)}.${tail}${info.id[0]}` : `${info.id}.${tail}`
}

/** Key of a whole pack: its name with the first letter moved to the end (spec 02, 6.4). */
export const packCacheKey = (pack: BlobId): string => pack.slice(1) + pack.slice(0, 1)

/** Whether a name from the repository may become a file name in the cache. Object stores allow `..` and slashes in names of blobs, and an
 *  index may name any pack: nothing must be written or deleted outside the cache on their word. */
export const isCacheName = (name: string): boolean => /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$/.test(name)
