import { readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#base/clock.ts'
import { systemCode } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'
import type { BlobId, BlobReader } from '#repo/blob/storage.ts'
import { countMiss } from '../metrics.ts'
import { type CacheDirectory, writeCacheFile } from './cache-directory.ts'
import { isCacheName } from './cache-keys.ts'
import type { DiskCache } from './disk-cache.ts'

const suffix = '.sndx'
/** Smaller files are read at once: a mapping has a cost of its own. */
const minMappedBytes = 256 * 1024

/** Index blobs, sealed (`index-blobs`) and opened (`indexes`). Source: spec 02, 6.4. */
export interface IndexCache {
  /** Opened index file, or undefined. Not authenticated: the caller parses it and calls `forget` when that fails. */
  opened(name: BlobId): Promise<Buffer | undefined>
  keepOpened(name: BlobId, bytes: Uint8Array): Promise<void>
  forget(name: BlobId): Promise<void>
  /** Sealed blob from the cache or from storage. BlobNotFoundError. */
  sealed(name: BlobId): Promise<Buffer>
  /** Removes opened files that none of `active` is named by and that are old. */
  removeUnused(active: ReadonlySet<BlobId>): Promise<void>
}

export function directIndexCache(storage: BlobReader): IndexCache {
  return {
    opened: async () => undefined,
    keepOpened: async () => undefined,
    forget: async () => undefined,
    sealed: (name) => storage.get(name),
    removeUnused: async () => undefined,
  }
}

export class DiskIndexCache implements IndexCache {
  readonly #folder: string
  #prepared: Promise<boolean> | undefined

  constructor(
    private readonly storage: BlobReader,
    private readonly directory: CacheDirectory,
    private readonly blobs: DiskCache,
    private readonly minAgeMs: number,
    private readonly clock: Clock,
  ) {
    this.#folder = join(directory.path, 'indexes')
  }

  async opened(name: BlobId): Promise<Buffer | undefined> {
    if (!isCacheName(name)) return undefined
    const path = join(this.#folder, name + suffix)
    try {
      // What is mapped takes no memory until it is looked at. These files are replaced and removed, never cut short.
      const mapped = nativeAddon()?.mapFile(Buffer.from(path), minMappedBytes)
      return mapped ? Buffer.from(mapped) : await readFile(path)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') this.directory.complain(error)
      return undefined
    }
  }

  async keepOpened(name: BlobId, bytes: Uint8Array): Promise<void> {
    if (!isCacheName(name)) return
    this.#prepared ??= this.directory.prepareFolder('indexes', '')
    if (!(await this.#prepared)) return
    try {
      await writeCacheFile(join(this.#folder, name + suffix), [bytes])
    } catch (error) {
      this.directory.complain(error)
    }
  }

  async forget(name: BlobId): Promise<void> {
    if (!isCacheName(name)) return
    await unlink(join(this.#folder, name + suffix)).catch(() => undefined)
    await this.blobs.delete(name)
  }

  async sealed(name: BlobId): Promise<Buffer> {
    const cached = await this.blobs.get(name)
    if (cached) return cached
    const fetched = await countMiss(this.blobs.name, () => this.storage.get(name))
    await this.blobs.put(name, fetched)
    return fetched
  }

  async removeUnused(active: ReadonlySet<BlobId>): Promise<void> {
    const names = await readdir(this.#folder).catch(() => [])
    for (const file of names) {
      if (!file.endsWith(suffix) || active.has(file.slice(0, -suffix.length))) continue
      const path = join(this.#folder, file)
      const found = await stat(path).catch(() => undefined)
      if (found && this.clock.nowMs() - found.mtimeMs > this.minAgeMs) await unlink(path).catch(() => undefined)
    }
  }
}
