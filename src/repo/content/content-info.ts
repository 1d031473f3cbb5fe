import type { BlobId } from '#repo/blob/storage.ts'
import type { ContentId } from './content-id.ts'

/** One row of an index (spec 02, section 3). Times in unix seconds. */
export interface ContentInfo {
  readonly id: ContentId
  readonly packBlob: BlobId
  readonly packOffset: number
  readonly packedLength: number
  readonly originalLength: number
  readonly timestampSeconds: number
  readonly deleted: boolean
  /** 0 = stored as is (spec 03, 3.1). */
  readonly compressionHeader: number
  readonly formatVersion: number
  readonly encryptionKeyId: number
}

/** Text bounds [start, end) over content IDs (spec 02, 1.4). */
export interface IdRange {
  readonly start: string
  readonly end: string
}
export const allIds: IdRange = { start: '', end: '{' }
export const prefixedIds: IdRange = { start: 'g', end: '{' }
export const unprefixedIds: IdRange = { start: '0', end: 'g' }
export const idsWithPrefix = (prefix: string): IdRange => ({ start: prefix, end: `${prefix}{` })
