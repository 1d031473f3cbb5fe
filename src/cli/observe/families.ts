import { latencyBoundsMs, processMetrics, type StorageMethod } from '#repo/blob/wrap/metrics.ts'
import { contentMetrics } from '#repo/content/metrics.ts'
import type { Histogram, MetricFamily } from './metric-family.ts'
import { runtimeMetrics } from './runtime-metrics.ts'

const counter = (name: string, help: string, value: number): MetricFamily => ({
  name: `kopia_${name}_total`,
  help,
  type: 'counter',
  points: [{ labels: {}, value }],
})

const latencyMethods: readonly (StorageMethod | 'FlushCaches')[] = [
  'Close',
  'DeleteBlob',
  'FlushCaches',
  'GetBlob-full',
  'GetBlob-partial',
  'GetCapacity',
  'GetMetadata',
  'ListBlobs',
  'PutBlob',
]
const errorMethods = ['Close', 'DeleteBlob', 'FlushCaches', 'GetBlob', 'GetCapacity', 'GetMetadata', 'ListBlobs', 'PutBlob']

/** What this process has done so far, under the names that dashboards for Kopia know. Every series is there from the start. Source:
 *  spec 05, 5.8. */
export function kopiaMetrics(): MetricFamily[] {
  return [...storageMetrics(), ...cacheMetrics(), ...contentCounters()]
}

/** Everything there is to tell: what Kopia tells, too, then what the runtime uses. */
export const allMetrics = (): MetricFamily[] => [...kopiaMetrics(), ...runtimeMetrics()]

function storageMetrics(): MetricFamily[] {
  const m = processMetrics
  return [
    counter('blob_download_full_blob_bytes', 'Bytes of whole blobs that were read', m.downloadedFullBytes),
    counter('blob_download_partial_blob_bytes', 'Bytes of parts of blobs that were read', m.downloadedPartialBytes),
    {
      name: 'kopia_blob_errors_total',
      help: 'Failed calls of the storage',
      type: 'counter',
      points: errorMethods.map((method) => ({ labels: { method }, value: m.errors.get(method) ?? 0 })),
    },
    counter('blob_list_items', 'Blobs that were listed', m.listedItems),
    {
      name: 'kopia_blob_storage_latency_ms',
      help: 'Time that calls of the storage took',
      type: 'histogram',
      points: latencyMethods.map((method) => ({ labels: { method }, value: 0, histogram: latencyOf(method) })),
    },
    counter('blob_upload_bytes', 'Bytes that were written', m.uploadedBytes),
  ]
}

function latencyOf(method: string): Histogram {
  const found = processMetrics.latencies.get(method as StorageMethod)
  const bounds = [...latencyBoundsMs, Number.POSITIVE_INFINITY]
  let count = 0
  const buckets = bounds.map((bound, i) => {
    count += found?.counts[i] ?? 0
    return { bound, count }
  })
  return { buckets, sum: found?.sumMs ?? 0, count }
}

function cacheMetrics(): MetricFamily[] {
  const caches = [...contentMetrics.caches]
  const family = (
    name: string,
    help: string,
    key: 'hits' | 'hitBytes' | 'misses' | 'missBytes' | 'missErrors' | 'malformed' | 'storeErrors',
  ) => ({
    name: `kopia_cache_${name}_total`,
    help,
    type: 'counter' as const,
    points: caches.map(([cache, metrics]) => ({ labels: { cache }, value: metrics[key] })),
  })
  return [
    family('hit_bytes', 'Bytes found in a cache', 'hitBytes'),
    family('hit', 'Reads that a cache answered', 'hits'),
    family('malformed', 'Damaged entries of a cache', 'malformed'),
    family('miss_bytes', 'Bytes fetched because a cache lacked them', 'missBytes'),
    family('miss_errors', 'Fetches of what a cache lacked that failed', 'missErrors'),
    family('miss', 'Reads that a cache could not answer', 'misses'),
    family('store_errors', 'Entries that could not be stored in a cache', 'storeErrors'),
  ]
}

function contentCounters(): MetricFamily[] {
  const m = contentMetrics
  const work = {
    write: m.write,
    hashed: m.hashed,
    encrypted: m.encrypted,
    compression_attempted: m.compressionAttempted,
    read: m.read,
    decrypted: m.decrypted,
    decompressed: m.decompressed,
  }
  return [
    counter('content_after_compression_bytes', 'Bytes of new contents after compression', m.afterCompressionBytes),
    counter('content_compressible_bytes', 'Bytes of contents that became smaller', m.compressibleBytes),
    counter('content_compression_savings_bytes', 'Bytes saved by compression', m.savedBytes),
    counter('content_deduplicated_bytes', 'Bytes of contents that were there already', m.deduplicatedBytes),
    counter('content_deduplicated', 'Contents that were there already', m.deduplicated),
    counter('content_get_error_count', 'Contents that could not be read', m.getErrors),
    counter('content_get_not_found_count', 'Contents that were not there', m.getNotFound),
    counter('content_non_compressible_bytes', 'Bytes of contents that did not become smaller', m.nonCompressibleBytes),
    counter('content_uploaded_bytes', 'Bytes of packs that were uploaded', m.uploadedBytes),
    ...Object.entries(work).flatMap(([name, { bytes, durationMs }]) => [
      counter(`content_${name}_bytes`, `Bytes of contents: ${name}`, bytes),
      counter(`content_${name}_duration_nanos`, `Time that it took, nanoseconds: ${name}`, Math.round(durationMs * 1e6)),
    ]),
  ]
}
