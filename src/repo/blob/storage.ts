/** The seed layer: named bytes in storage, written whole. Source: spec 02 section 0, spec 04 section 1. */
export type BlobId = string
export type BlobWrapper = (inner: BlobStorage) => BlobStorage

export interface BlobInfo {
  readonly id: BlobId
  readonly sizeBytes: number
  /** Time of the last write as the storage reports it, milliseconds (fraction kept) since the Unix epoch. */
  readonly modifiedMs: number
}

/** Bytes [offset, offset + length). */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

export interface PutOptions {
  readonly onlyIfAbsent?: boolean
  readonly modifiedMs?: number
  readonly retention?: { readonly mode: string; readonly periodNs: bigint }
}

export interface BlobReader {
  /** Whole blob or exactly the range. BlobNotFoundError; BlobRangeError when the range leaves the blob. */
  get(id: BlobId, range?: ByteRange): Promise<Buffer>
  stat(id: BlobId): Promise<BlobInfo>
  /** Every blob whose ID starts with `prefix`, in no promised order. */
  list(prefix: BlobId): AsyncIterable<BlobInfo>
}

export interface BlobStorage extends BlobReader {
  /** Backend name as in ConnectionInfo (`filesystem`, `s3` …). */
  readonly backend: string
  readonly displayName: string
  /** ConnectionInfo of chapter 04: `{type, config}`; `config` as it is written into the configuration file. */
  readonly connection: { readonly type: string; readonly config: unknown }
  readonly extras: BlobExtras
  /** Atomic and durable: when it resolves the blob survives a power cut, and no partial blob is ever visible. */
  put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo>
  /** Deleting an absent blob succeeds. */
  delete(id: BlobId): Promise<void>
  close(): Promise<void>
}

/** Abilities that only some storages have; absent = this storage cannot. */
export interface BlobExtras {
  readonly capacity?: () => Promise<{ readonly totalBytes: bigint; readonly freeBytes: bigint }>
  /** Runs `use` with a descriptor of the blob's own file, open for reading meanwhile. `sizeBytes`: how much it is going to read, for those who
   *  count or limit that. Throws as get does. */
  readonly withFile?: <T>(id: BlobId, use: (fd: number) => Promise<T>, sizeBytes: number) => Promise<T>
  readonly extendRetention?: (id: BlobId, mode: string, periodNs: bigint) => Promise<void>
}

export interface BackendType<Options> {
  readonly name: string
  /** Checks the `config` member of a ConnectionInfo. Throws UsageError on wrong shapes. */
  parse(json: unknown): Options
  /** `create`: make the place (folder, …) if it is missing. */
  open(options: Options, create: boolean): Promise<BlobStorage>
}
