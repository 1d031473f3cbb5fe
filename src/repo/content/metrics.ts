/** Names under which caches are counted (spec 05, 5.8). */
export const countedCaches = ['contents', 'metadata', 'index-blobs'] as const

/** What one cache did. */
export class CacheMetrics {
  hits = 0
  hitBytes = 0
  misses = 0
  missBytes = 0
  missErrors = 0
  malformed = 0
  storeErrors = 0
}

/** What was done with contents so far, in all repositories of the process. Bytes and milliseconds; numbers only. Source: spec 05, 5.8. */
export class ContentMetrics {
  uploadedBytes = 0
  getErrors = 0
  getNotFound = 0
  deduplicated = 0
  deduplicatedBytes = 0
  afterCompressionBytes = 0
  compressibleBytes = 0
  nonCompressibleBytes = 0
  savedBytes = 0
  readonly write = new WorkMetrics()
  readonly hashed = new WorkMetrics()
  readonly encrypted = new WorkMetrics()
  readonly compressionAttempted = new WorkMetrics()
  readonly read = new WorkMetrics()
  readonly decrypted = new WorkMetrics()
  readonly decompressed = new WorkMetrics()
  readonly caches: ReadonlyMap<string, CacheMetrics> = new Map(countedCaches.map((name) => [name, new CacheMetrics()]))
}

/** Bytes that went through one kind of work, and the time it took, counted apart where several ran at once. */
class WorkMetrics {
  bytes = 0
  durationMs = 0

  add(bytes: number, startMs: number): void {
    this.bytes += bytes
    this.durationMs += performance.now() - startMs
  }
}

export const contentMetrics = new ContentMetrics()

/** Fetches what a cache did not have, and counts that. */
export async function countMiss(cache: string, fetch: () => Promise<Buffer>): Promise<Buffer> {
  const metrics = contentMetrics.caches.get(cache)
  try {
    const data = await fetch()
    if (metrics) {
      metrics.misses++
      metrics.missBytes += data.length
    }
    return data
  } catch (error) {
    if (metrics) metrics.missErrors++
    throw error
  }
}
