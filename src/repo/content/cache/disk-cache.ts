import { createHmac, timingSafeEqual } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#base/clock.ts'
import { systemCode } from '#base/errors.ts'
import { type CacheMetrics, contentMetrics } from '../metrics.ts'
import { type CacheDirectory, writeCacheFile } from './cache-directory.ts'
import { isCacheName } from './cache-keys.ts'
import type { CacheLimits } from './cache-options.ts'
import { CacheUsage } from './cache-usage.ts'

export const macBytes = 32
const touchAfterMs = 600_000
const shardedText = '{"default":[2],"maxNonShardedLength":20}\n'
const flatText = '{"default":[],"maxNonShardedLength":20}\n'

export interface DiskCacheOptions {
  readonly sharded: boolean
  /** HMAC key of the entries (localCacheKey), undefined for entries without protection. */
  readonly protection: Uint8Array | undefined
  /** Swept to these; undefined = never. */
  readonly limits?: CacheLimits
  readonly clock: Clock
}

/** One subdirectory of the cache, laid out like Kopia's. A cache never fails: errors are misses, and so are keys
 *  that are no names of files. Source: spec 02, 6.4. */
export class DiskCache {
  readonly #folder: string
  readonly #usage: CacheUsage | undefined
  readonly #metrics: CacheMetrics | undefined
  #prepared: Promise<boolean> | undefined

  constructor(
    private readonly directory: CacheDirectory,
    readonly name: string,
    private readonly options: DiskCacheOptions,
  ) {
    this.#folder = join(directory.path, name)
    this.#metrics = contentMetrics.caches.get(name)
    this.#usage = options.limits && new CacheUsage(this.#folder, options.limits, options.clock)
  }

  pathOf(key: string): string {
    const split = this.options.sharded && key.length > 20
    return split ? join(this.#folder, key.slice(0, 2), `${key.slice(2)}.f`) : join(this.#folder, `${key}.f`)
  }

  /** The whole entry, checked; undefined when absent or damaged (then it is deleted). */
  async get(key: string): Promise<Buffer | undefined> {
    const bytes = await this.#read(key, 0, undefined)
    if (bytes === undefined || bytes === 'outside') return undefined
    const data = this.#unprotect(bytes)
    if (data === undefined) {
      if (this.#metrics) this.#metrics.malformed++
      await this.delete(key)
    } else this.#countHit(data.length)
    return data
  }

  /** Bytes of an entry, not checked here; undefined when the entry is absent, 'outside' when the range leaves it. */
  getRange(key: string, offset: number, length: number): Promise<Buffer | 'outside' | undefined> {
    return this.#read(key, offset, length)
  }

  #countHit(bytes: number): void {
    if (!this.#metrics) return
    this.#metrics.hits++
    this.#metrics.hitBytes += bytes
  }

  async #read(key: string, offset: number, length: number | undefined): Promise<Buffer | 'outside' | undefined> {
    if (!isCacheName(key)) return undefined
    const path = this.pathOf(key)
    try {
      const handle = await open(path, 'r')
      try {
        const { size, mtimeMs } = await handle.stat()
        const wanted = length ?? size
        if (length !== undefined && offset + length > size - (this.options.protection ? macBytes : 0)) return 'outside'
        const into = Buffer.allocUnsafeSlow(wanted)
        if (!(await fill(handle, into, offset))) return undefined
        // A whole entry is a hit only when it turns out to be sound.
        if (length) this.#countHit(length)
        const nowMs = this.options.clock.nowMs()
        if (nowMs - mtimeMs > touchAfterMs) {
          this.#usage?.touched(path, nowMs)
          await handle.utimes(nowMs / 1000, nowMs / 1000).catch(() => undefined)
        }
        return into
      } finally {
        await handle.close()
      }
    } catch (error) {
      this.#note(error)
      return undefined
    }
  }

  /** Whether an entry exists. */
  async has(key: string): Promise<boolean> {
    return (await this.getRange(key, 0, 0)) !== undefined
  }

  /** False when the entry could not be stored. */
  async put(key: string, data: Uint8Array): Promise<boolean> {
    if (!isCacheName(key)) return false
    this.#prepared ??= this.directory.prepareFolder(this.name, this.options.sharded ? shardedText : flatText)
    if (!(await this.#prepared)) return false
    const path = this.pathOf(key)
    try {
      const parts = this.options.protection ? [data, this.#mac(data)] : [data]
      const sizeBytes = data.length + (this.options.protection ? macBytes : 0)
      await this.#usage?.makeRoom(sizeBytes)
      await writeCacheFile(path, parts)
      this.#usage?.added(path, sizeBytes)
      return true
    } catch (error) {
      if (this.#metrics) this.#metrics.storeErrors++
      this.directory.complain(error)
      return false
    }
  }

  async delete(key: string): Promise<void> {
    if (!isCacheName(key)) return
    await unlink(this.pathOf(key)).catch((error: unknown) => this.#note(error))
  }

  #mac(data: Uint8Array): Buffer {
    return createHmac('sha256', this.options.protection ?? '')
      .update(data)
      .digest()
  }

  #unprotect(bytes: Buffer): Buffer | undefined {
    if (!this.options.protection) return bytes
    if (bytes.length < macBytes) return undefined
    const data = bytes.subarray(0, bytes.length - macBytes)
    return timingSafeEqual(this.#mac(data), bytes.subarray(data.length)) ? data : undefined
  }

  #note(error: unknown): void {
    if (systemCode(error) !== 'ENOENT') this.directory.complain(error)
  }
}

/** Reads until `into` is full; false when the file ends first. */
async function fill(handle: FileHandle, into: Buffer, offset: number): Promise<boolean> {
  let done = 0
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, offset + done)
    if (bytesRead === 0) return false
    done += bytesRead
  }
  return true
}
