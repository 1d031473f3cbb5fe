import { type Clock, systemClock } from '#base/clock.ts'
import { BlobExistsError, BlobNotFoundError, UnsupportedOptionError } from './errors.ts'
import { cutRange } from './range.ts'
import type { BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from './storage.ts'

export interface StoredBlob {
  readonly data: Buffer
  readonly modifiedMs: number
}

/** Storage in this process's memory, for tests and short-lived work. Blobs are copied in and out. Two storages over the same `blobs` see
 *  each other's writes, like two clients. */
export function memoryStorage(clock: Clock = systemClock, blobs: Map<BlobId, StoredBlob> = new Map()): BlobStorage {
  return new MemoryStorage(clock, blobs)
}

class MemoryStorage implements BlobStorage {
  readonly backend = 'memory'
  readonly displayName = 'Memory'
  readonly connection = { type: 'memory', config: {} }
  readonly extras: BlobExtras = {}

  constructor(
    private readonly clock: Clock,
    private readonly blobs: Map<BlobId, StoredBlob>,
  ) {}

  async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    return Buffer.from(cutRange(id, this.find(id).data, range))
  }

  async stat(id: BlobId): Promise<BlobInfo> {
    const { data, modifiedMs } = this.find(id)
    return { id, sizeBytes: data.length, modifiedMs }
  }

  async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    for (const [id, { data, modifiedMs }] of [...this.blobs])
      if (id.startsWith(prefix) && this.blobs.has(id)) yield { id, sizeBytes: data.length, modifiedMs }
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    if (options.retention) throw new UnsupportedOptionError('memory', 'retention')
    if (options.onlyIfAbsent && this.blobs.has(id)) throw new BlobExistsError(id)
    const blob = { data: Buffer.concat(parts), modifiedMs: options.modifiedMs ?? this.clock.nowMs() }
    this.blobs.set(id, blob)
    return { id, sizeBytes: blob.data.length, modifiedMs: blob.modifiedMs }
  }

  async delete(id: BlobId): Promise<void> {
    this.blobs.delete(id)
  }

  async close(): Promise<void> {}

  private find(id: BlobId): StoredBlob {
    const blob = this.blobs.get(id)
    if (!blob) throw new BlobNotFoundError(id)
    return blob
  }
}
