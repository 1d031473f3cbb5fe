import type { BlobExtras, BlobId, BlobInfo, BlobStorage, BlobWrapper, ByteRange, PutOptions } from '../storage.ts'
import { ForwardingStorage } from './forward.ts'

/** One finished call on a storage (spec 04, 4.6). */
export interface StorageCall {
  readonly operation: 'get' | 'stat' | 'list' | 'put' | 'delete' | 'capacity' | 'extendRetention' | 'close'
  readonly durationMs: number
  readonly blob?: BlobId
  readonly prefix?: BlobId
  readonly range?: ByteRange
  /** Bytes that were got or put. */
  readonly sizeBytes?: number
  /** Blobs that were listed. */
  readonly resultCount?: number
  readonly error?: unknown
}

/** Wrapper that tells `sink` of every call once it has ended, failed ones included. `nowMs` is any steadily rising clock. */
export function logged(sink: (call: StorageCall) => void, nowMs: () => number = () => performance.now()): BlobWrapper {
  return (inner) => new LoggedStorage(inner, sink, nowMs)
}

type Detail = Omit<StorageCall, 'durationMs' | 'error'>

class LoggedStorage extends ForwardingStorage {
  constructor(
    inner: BlobStorage,
    private readonly sink: (call: StorageCall) => void,
    private readonly nowMs: () => number,
  ) {
    super(inner)
  }

  override get extras(): BlobExtras {
    // Whoever reads a blob's own file is not seen here; it is the fastest way to read, which a log is not to take away.
    const { capacity, extendRetention, ...others } = this.inner.extras
    return {
      ...others,
      ...(capacity ? { capacity: () => this.timed({ operation: 'capacity' }, capacity) } : {}),
      ...(extendRetention
        ? {
            extendRetention: (id: BlobId, mode: string, periodNs: bigint) =>
              this.timed({ operation: 'extendRetention', blob: id }, () => extendRetention(id, mode, periodNs)),
          }
        : {}),
    }
  }

  override get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    const detail: Detail = { operation: 'get', blob: id, ...(range ? { range } : {}) }
    return this.timed(
      detail,
      () => this.inner.get(id, range),
      (data) => ({ sizeBytes: data.length }),
    )
  }

  override stat(id: BlobId): Promise<BlobInfo> {
    return this.timed({ operation: 'stat', blob: id }, () => this.inner.stat(id))
  }

  override async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    const start = this.nowMs()
    let resultCount = 0
    let failure: { error: unknown } | undefined
    try {
      for await (const blob of this.inner.list(prefix)) {
        resultCount++
        yield blob
      }
    } catch (error) {
      failure = { error }
      throw error
    } finally {
      this.sink({ operation: 'list', prefix, resultCount, durationMs: this.nowMs() - start, ...failure })
    }
  }

  override put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    let sizeBytes = 0
    for (const part of parts) sizeBytes += part.length
    return this.timed({ operation: 'put', blob: id, sizeBytes }, () => this.inner.put(id, parts, options))
  }

  override delete(id: BlobId): Promise<void> {
    return this.timed({ operation: 'delete', blob: id }, () => this.inner.delete(id))
  }

  override close(): Promise<void> {
    return this.timed({ operation: 'close' }, () => this.inner.close())
  }

  private async timed<T>(detail: Detail, action: () => Promise<T>, outcome?: (value: T) => Partial<Detail>): Promise<T> {
    const start = this.nowMs()
    try {
      const value = await action()
      this.sink({ ...detail, ...outcome?.(value), durationMs: this.nowMs() - start })
      return value
    } catch (error) {
      this.sink({ ...detail, durationMs: this.nowMs() - start, error })
      throw error
    }
  }
}
