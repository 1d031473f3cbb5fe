import { readFile, stat, unlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#base/clock.ts'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { CacheDirectory, writeCacheFile } from '#repo/content/cache/cache-directory.ts'
import { blobConfigId } from '#repo/format/blob-config.ts'
import { formatBlobId } from '#repo/format/format-blob.ts'
import { NotARepositoryError } from './errors.ts'

/** Every client must notice changes of `kopia.repository` within this time: the upgrade lock relies on it (spec 01, 1.12). */
export const maxFormatAgeMs = 15 * 60_000

/** How long cached copies are used, from the configuration's `formatBlobCacheDuration` (spec 01, 1.12). `first` is for the first load. */
export function formatAges(durationNs: bigint): { readonly firstMs: number; readonly laterMs: number } {
  if (durationNs < 0n) return { firstMs: 0, laterMs: maxFormatAgeMs }
  const ms = durationNs === 0n ? maxFormatAgeMs : Math.min(Number(durationNs / 1_000_000n), maxFormatAgeMs)
  return { firstMs: ms, laterMs: ms }
}

/** The two central blobs as they were read. */
export interface CentralBlobs {
  readonly repository: Buffer
  /** undefined: the storage has none, so retention is off. */
  readonly retention: Buffer | undefined
  /** When the older of both was read from the storage, milliseconds since the Unix epoch. */
  readonly loadedMs: number
  /** Whether any of it came from the cache folder. */
  readonly cached: boolean
}

interface Loaded {
  readonly bytes: Buffer | undefined
  readonly loadedMs: number
  readonly cached: boolean
}

/** Reads `kopia.repository` and `kopia.blobcfg`, from raw copies in the cache folder while these are young enough (spec 01, 1.12). A cache
 *  that cannot be used costs a warning, never the work. */
export class FormatBlobCache {
  readonly #directory: CacheDirectory | undefined

  constructor(
    private readonly storage: BlobStorage,
    cacheDirectory: string | undefined,
    private readonly clock: Clock,
    warn: (message: string) => void,
  ) {
    this.#directory = cacheDirectory === undefined ? undefined : new CacheDirectory(cacheDirectory, warn)
  }

  /** Both blobs; copies older than `maxAgeMs` are not used (0 = none is). Throws NotARepositoryError, or the storage's errors. */
  async load(maxAgeMs: number): Promise<CentralBlobs> {
    const [repository, retention] = await Promise.all([this.#loadOne(formatBlobId, maxAgeMs), this.#loadOne(blobConfigId, maxAgeMs)])
    if (!repository.bytes) throw new NotARepositoryError()
    return {
      repository: repository.bytes,
      retention: retention.bytes,
      loadedMs: Math.min(repository.loadedMs, retention.loadedMs),
      cached: repository.cached || retention.cached,
    }
  }

  /** Drops the copies: what everybody must do who writes one of the blobs. */
  async forget(): Promise<void> {
    const directory = this.#directory
    if (directory) await Promise.all([formatBlobId, blobConfigId].map((name) => unlink(join(directory.path, name)).catch(() => undefined)))
  }

  async #loadOne(name: string, maxAgeMs: number): Promise<Loaded> {
    const cached = maxAgeMs > 0 ? await this.#fromDirectory(name, maxAgeMs) : undefined
    if (cached) return cached
    const loadedMs = this.clock.nowMs()
    const bytes = await this.storage.get(name).catch((error: unknown) => {
      if (error instanceof BlobNotFoundError) return undefined
      throw error
    })
    if (bytes) await this.#keep(name, bytes, loadedMs)
    return { bytes, loadedMs, cached: false }
  }

  async #fromDirectory(name: string, maxAgeMs: number): Promise<Loaded | undefined> {
    if (!this.#directory) return undefined
    const path = join(this.#directory.path, name)
    try {
      const { mtimeMs } = await stat(path)
      const ageMs = this.clock.nowMs() - mtimeMs
      // A copy from the future says nothing about its age.
      if (ageMs < 0 || ageMs >= maxAgeMs) return undefined
      return { bytes: await readFile(path), loadedMs: mtimeMs, cached: true }
    } catch {
      return undefined
    }
  }

  async #keep(name: string, bytes: Buffer, loadedMs: number): Promise<void> {
    if (!(await this.#directory?.ready())) return
    const path = join(this.#directory?.path ?? '', name)
    try {
      await writeCacheFile(path, [bytes])
      await utimes(path, loadedMs / 1000, loadedMs / 1000)
    } catch (error) {
      this.#directory?.complain(error)
    }
  }
}
