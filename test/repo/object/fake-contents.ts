import { blake2b } from '@noble/hashes/blake2.js'
import { type ContentId, parseContentId } from '#repo/content/content-id.ts'
import type { ContentInfo, IdRange } from '#repo/content/content-info.ts'
import { ContentNotFoundError } from '#repo/content/errors.ts'
import type { ContentStore, ContentToWrite } from '#repo/content/store.ts'

interface Stored {
  readonly data: Buffer
  readonly compressionHeader: number
  deleted: boolean
}

/** A content store in memory. IDs are those of BLAKE2B-256-128. Reads and writes can be held up and made to fail. */
export class FakeContents implements ContentStore {
  readonly stored = new Map<ContentId, Stored>()
  readonly puts: ContentToWrite[] = []
  readonly gets: ContentId[] = []
  revision = 1
  batches = 0
  flushes = 0
  suspended = 0
  inFlight = 0
  mostInFlight = 0
  bytesInFlight = 0
  mostBytesInFlight = 0
  beforePut: (content: ContentToWrite) => Promise<void> = async () => {}
  beforeGet: (id: ContentId) => Promise<void> = async () => {}
  readonly counters = {
    hashedContents: 0,
    hashedBytes: 0,
    writtenContents: 0,
    writtenBytes: 0,
    uploadedBlobs: 0,
    uploadedBytes: 0,
    readContents: 0,
    readBytes: 0,
  }

  constructor(readonly secret: Uint8Array = new Uint8Array(32)) {}

  idOf(prefix: string, data: Uint8Array): ContentId {
    const digest = blake2b(data, { key: this.secret, dkLen: 32 }).subarray(0, 16)
    return parseContentId(prefix + Buffer.from(digest).toString('hex'))
  }

  async put(content: ContentToWrite): Promise<ContentId> {
    const data = Buffer.from(content.data)
    this.puts.push({ ...content, data })
    this.inFlight++
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight)
    this.bytesInFlight += content.data.length
    this.mostBytesInFlight = Math.max(this.mostBytesInFlight, this.bytesInFlight)
    try {
      await this.beforePut(content)
    } finally {
      this.inFlight--
      this.bytesInFlight -= content.data.length
    }
    const id = this.idOf(content.prefix, data)
    this.stored.set(id, { data, compressionHeader: content.compressionHeader, deleted: false })
    return id
  }

  putMany(contents: readonly ContentToWrite[]): Promise<ContentId[]> {
    this.batches++
    return Promise.all(contents.map((c) => this.put(c)))
  }

  /** Spoils the memory that it is given: nobody may count on it any more. */
  async putOwned(contents: readonly ContentToWrite[], release: () => void): Promise<ContentId[]> {
    try {
      return await this.putMany(contents)
    } finally {
      for (const { data } of contents) data.fill(0xee)
      release()
    }
  }

  async get(id: ContentId): Promise<Buffer> {
    this.gets.push(id)
    await this.beforeGet(id)
    const found = this.stored.get(id)
    if (!found) throw new ContentNotFoundError(id)
    return found.data
  }

  info(id: ContentId): ContentInfo | undefined {
    const found = this.stored.get(id)
    if (!found) return undefined
    const { data, compressionHeader, deleted } = found
    const sizes = { packOffset: 0, packedLength: data.length, originalLength: data.length, timestampSeconds: 0 }
    return { id, packBlob: 'p' as ContentInfo['packBlob'], ...sizes, deleted, compressionHeader, formatVersion: 2, encryptionKeyId: 0 }
  }

  async isPresent(id: ContentId): Promise<boolean> {
    return this.stored.get(id)?.deleted === false
  }

  *iterate(range: IdRange, includeDeleted: boolean): Iterable<ContentInfo> {
    for (const id of [...this.stored.keys()].sort()) {
      const info = this.info(id)
      if (info && id >= range.start && id < range.end && (includeDeleted || !info.deleted)) yield info
    }
  }

  async prefetch(ids: readonly ContentId[]): Promise<ContentId[]> {
    return ids.filter((id) => this.stored.has(id))
  }

  async delete(id: ContentId): Promise<void> {
    const found = this.stored.get(id)
    if (!found) throw new ContentNotFoundError(id)
    found.deleted = true
  }

  async undelete(id: ContentId): Promise<void> {
    const found = this.stored.get(id)
    if (found) found.deleted = false
  }

  async rewrite(): Promise<void> {}

  async flush(): Promise<void> {
    this.flushes++
    this.revision++
  }

  async withoutIndexFlush<T>(work: () => Promise<T>): Promise<T> {
    this.suspended++
    return work()
  }

  async refresh(): Promise<void> {
    this.revision++
  }

  async close(): Promise<void> {}
}
