import { BlobNotFoundError } from '../errors.ts'
import type { BlobExtras, BlobId, BlobInfo, BlobStorage, BlobWrapper, ByteRange, PutOptions } from '../storage.ts'
import { ForwardingStorage } from './forward.ts'

/** Upper bounds of the latency histogram, milliseconds (spec 04, 4.6). */
export const latencyBoundsMs: readonly number[] = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000]

/** Names of the reference, which dashboards are made for. */
export type StorageMethod =
  | 'GetBlob-partial'
  | 'GetBlob-full'
  | 'GetCapacity'
  | 'GetMetadata'
  | 'PutBlob'
  | 'DeleteBlob'
  | 'ListBlobs'
  | 'Close'

/** Calls of one method by how long they took. */
export class LatencyHistogram {
  /** One count for each bound, and one for what took longer. */
  readonly counts: number[] = Array.from({ length: latencyBoundsMs.length + 1 }, () => 0)
  sumMs = 0

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }

  add(ms: number): void {
    const at = latencyBoundsMs.findIndex((bound) => ms <= bound)
    const index = at < 0 ? latencyBoundsMs.length : at
    this.counts[index] = (this.counts[index] as number) + 1
    this.sumMs += ms
  }
}

/** What was done with storages so far. Holds numbers only: no names, no secrets. */
export class StorageMetrics {
  downloadedPartialBytes = 0
  downloadedFullBytes = 0
  uploadedBytes = 0
  listedItems = 0
  readonly errors = new Map<string, number>()
  readonly latencies = new Map<StorageMethod, LatencyHistogram>()

  noteLatency(method: StorageMethod, ms: number): void {
    let histogram = this.latencies.get(method)
    if (!histogram) {
      histogram = new LatencyHistogram()
      this.latencies.set(method, histogram)
    }
    histogram.add(ms)
  }

  /** Errors of both kinds of reads count under one name. */
  noteError(method: StorageMethod): void {
    const name = method.startsWith('GetBlob') ? 'GetBlob' : method
    this.errors.set(name, (this.errors.get(name) ?? 0) + 1)
  }

  /** One line for a log. */
  summary(): string {
    const calls = [...this.latencies].map(([method, histogram]) => `${histogram.total} ${method} in ${Math.round(histogram.sumMs)} ms`)
    const errors = [...this.errors].map(([method, count]) => `${count} errors of ${method}`)
    const bytes = `read ${this.downloadedFullBytes + this.downloadedPartialBytes} bytes, wrote ${this.uploadedBytes} bytes`
    return [bytes, `listed ${this.listedItems} blobs`, ...calls, ...errors].join(', ')
  }
}

/** Of all storages that this process has opened. */
export const processMetrics = new StorageMetrics()

/** Wrapper that counts calls, bytes, errors and times. Source: spec 04, 4.6. */
export function metered(metrics: StorageMetrics, nowMs: () => number = () => performance.now()): BlobWrapper {
  return (inner) => new MeteredStorage(inner, metrics, nowMs)
}

class MeteredStorage extends ForwardingStorage {
  constructor(
    inner: BlobStorage,
    private readonly metrics: StorageMetrics,
    private readonly nowMs: () => number,
  ) {
    super(inner)
  }

  override get extras(): BlobExtras {
    const { capacity, withFile, ...others } = this.inner.extras
    return {
      ...others,
      ...(capacity ? { capacity: () => this.timed('GetCapacity', capacity) } : {}),
      ...(withFile ? { withFile: (id, use, sizeBytes) => this.countFile(sizeBytes, () => withFile(id, use, sizeBytes)) } : {}),
    }
  }

  override async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    const data = await this.timed(range ? 'GetBlob-partial' : 'GetBlob-full', () => this.inner.get(id, range))
    if (range) this.metrics.downloadedPartialBytes += data.length
    else this.metrics.downloadedFullBytes += data.length
    return data
  }

  override stat(id: BlobId): Promise<BlobInfo> {
    return this.timed('GetMetadata', () => this.inner.stat(id))
  }

  override async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    const start = this.nowMs()
    try {
      for await (const blob of this.inner.list(prefix)) {
        this.metrics.listedItems++
        yield blob
      }
    } catch (error) {
      this.metrics.noteError('ListBlobs')
      throw error
    } finally {
      this.metrics.noteLatency('ListBlobs', this.nowMs() - start)
    }
  }

  override async put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    const info = await this.timed('PutBlob', () => this.inner.put(id, parts, options))
    for (const part of parts) this.metrics.uploadedBytes += part.length
    return info
  }

  override delete(id: BlobId): Promise<void> {
    return this.timed('DeleteBlob', () => this.inner.delete(id))
  }

  override close(): Promise<void> {
    return this.timed('Close', () => this.inner.close())
  }

  private async countFile<T>(sizeBytes: number, action: () => Promise<T>): Promise<T> {
    const result = await this.timed('GetBlob-partial', action)
    this.metrics.downloadedPartialBytes += sizeBytes
    return result
  }

  private async timed<T>(method: StorageMethod, action: () => Promise<T>): Promise<T> {
    const start = this.nowMs()
    try {
      return await action()
    } catch (error) {
      // To ask for what is not there is no failure of the storage.
      if (!(error instanceof BlobNotFoundError)) this.metrics.noteError(method)
      throw error
    } finally {
      this.metrics.noteLatency(method, this.nowMs() - start)
    }
  }
}
