import type { ContentId } from '#repo/content/content-id.ts'
import type { PlainMemory } from '#repo/content/store.ts'

/** `I*` `Z`? content ID (spec 03, 1.1). */
export type ObjectId = string & { readonly __brand: 'ObjectId' }

export interface ObjectReader {
  readonly sizeBytes: number
  /** Fills `into` from `offset` on; fewer bytes only at the end of the object; 0 at or behind it. Concurrent calls are fine. */
  read(into: Uint8Array, offset: number): Promise<number>
  /** Bounds of the stored part that holds the byte at `offset` (below sizeBytes). Parts are decrypted whole: callers that keep parts in
   *  memory themselves ask for them by these bounds. Absent where the parts are not known. */
  segmentAt?(offset: number): { readonly start: number; readonly end: number }
  /** The part that begins at `start`, not to be changed; the reader does not keep it. It may lie in what `memory` returned. */
  loadSegment?(start: number, memory?: PlainMemory): Promise<Uint8Array>
  close(): void
}

export interface ObjectWriterOptions {
  /** '' for data, 'k' for directories. */
  readonly prefix: string
  readonly compressor: string
  readonly metadataCompressor: string
  /** '' or an unknown name = the repository's default. */
  readonly splitter: string
}

/** Writes one object. The result does not depend on how the bytes were cut into calls. */
export interface ObjectWriter {
  /** The bytes may be reused by the caller once the promise resolves. Resolves late when too much is in flight (back-pressure). */
  write(data: Uint8Array): Promise<void>
  /** Writes all that `read` gives until it gives 0: bytes land where they are cut, without being copied. The memory is `read`'s until its
   *  promise settles. Rejects as `read` does. */
  fill(read: (into: Buffer) => Promise<number>): Promise<void>
  finish(): Promise<ObjectId>
  /** Object of the chunks flushed so far, or '' (spec 03, 1.2 Checkpoint). */
  checkpoint(): Promise<ObjectId | ''>
  abort(): void
}

/** [offset, offset + length) of a new object is [storedOffset, storedOffset + length) of a stored one. */
export interface StoredRange {
  readonly offset: number
  readonly length: number
  readonly objectId: ObjectId
  readonly storedOffset: number
}

export interface ComposeRequest {
  readonly sizeBytes: number
  /** Not overlapping, in any order. */
  readonly stored: readonly StoredRange[]
  /** Objects longer than this are cut in parts of it (spec 07, 7.1.6); 0 = never. */
  readonly partBytes?: number
  readonly options: ObjectWriterOptions
  /** Bytes of the new object, those of stored ranges included. */
  read(into: Uint8Array, offset: number): number | Promise<number>
  /** Told of bytes read. */
  onRead?(bytes: number): void
}

export interface ComposedObject {
  readonly objectId: ObjectId
  readonly readBytes: number
}

export interface ObjectManager {
  createWriter(options: ObjectWriterOptions): ObjectWriter
  /** Whole objects at once, for small files and directories: one batch for hashing and sealing. Each must fit one content
   *  (shorter than the splitter's minimum), or is written through a writer. */
  writeMany(objects: readonly { readonly data: Uint8Array; readonly options: ObjectWriterOptions }[]): Promise<ObjectId[]>
  /** The bytes of an object that is one content may lie in what `memory` returned. ObjectNotFoundError, InvalidObjectIdError. */
  open(id: ObjectId, memory?: PlainMemory): Promise<ObjectReader>
  /** All bytes; refuses more than `maxBytes`. */
  readAll(id: ObjectId, maxBytes?: number): Promise<Buffer>
  /** readAll for many short objects at once. Undefined for what has to be read by itself: it is longer than `maxBytes`, has several parts,
   *  is compressed, or anything is wrong with it. */
  readMany(ids: readonly ObjectId[], maxBytes: number): Promise<(Buffer | undefined)[]>
  /** Contents an object is made of, index streams included (spec 03, 1.5). */
  contentsOf(id: ObjectId): Promise<ContentId[]>
  /** True when every content of the object can be counted on (ContentReader.isPresent). */
  isPresent(id: ObjectId): Promise<boolean>
  /** The same for many whose IDs stand in `text`, start and end of each in `places`: 1 for those that are. */
  arePresentAt(text: Buffer, places: Uint32Array): Promise<Uint8Array>
  /** An object made of ranges of stored ones and new bytes, read only where the stored chunks do not fit. Its ID is the one that writing
   *  all bytes would give. */
  compose(request: ComposeRequest): Promise<ComposedObject>
  concatenate(ids: readonly ObjectId[], metadataCompressor: string): Promise<ObjectId>
}
