import { mapLimited } from '#base/limit.ts'
import { BlobRangeError } from '#repo/blob/errors.ts'
import type { BlobId, BlobReader } from '#repo/blob/storage.ts'
import { isMetadata } from '../content-id.ts'
import type { ContentInfo } from '../content-info.ts'
import { countMiss } from '../metrics.ts'
import { contentCacheKey, packCacheKey } from './cache-keys.ts'
import type { DiskCache } from './disk-cache.ts'
import { RangeBatches } from './range-batches.ts'
import { SingleFlight } from './single-flight.ts'

const prefetchParallelism = 5
const prefetchPackBytes = 5_000_000
const maxUnkept = 10_000

/** Sealed bytes of contents, from the caches or from their packs. */
export interface ContentSource {
  /** BlobNotFoundError, BlobRangeError or the storage's errors. */
  fetch(info: ContentInfo): Promise<Buffer>
  /** Runs `use`, which reads `sizeBytes`, with a descriptor of the pack, where packs are plain files that are read without a cache. Throws as fetch does. */
  readonly withFile?: (<T>(pack: BlobId, use: (fd: number) => Promise<T>, sizeBytes: number) => Promise<T>) | undefined
  /** Bytes of a pack, where there is no cache in between. Throws as fetch does. */
  readonly fetchRange?: ((pack: BlobId, offset: number, length: number) => Promise<Buffer>) | undefined
  /** Forgets the cached bytes of a content that turned out to be damaged. True when there were any, so that fetching again may help. */
  forget(info: ContentInfo): Promise<boolean>
  /** Spec 02, 6.5. Errors are swallowed. */
  prefetch(infos: readonly ContentInfo[], hint: string): Promise<void>
  /** Loads a whole metadata pack into the cache ("cache sync"). */
  loadPack(pack: BlobId): Promise<void>
}

/** Reads straight from storage: no cache directory, or a local disk. */
export function directSource(storage: BlobReader): ContentSource {
  return {
    fetch: (info) => storage.get(info.packBlob, { offset: info.packOffset, length: info.packedLength }),
    fetchRange: (pack, offset, length) => storage.get(pack, { offset, length }),
    forget: async () => false,
    prefetch: async () => undefined,
    loadPack: async () => undefined,
  }
}

/** Reads through the `contents` and `metadata` caches. Source: spec 02, 6.4. */
export class CachedSource implements ContentSource {
  readonly #ranges = new SingleFlight<Buffer>()
  readonly #packs = new SingleFlight<Buffer>()
  /** Packs that the cache did not take (its disk is full, say): they are not fetched whole again for each content. */
  readonly #unkept = new Set<BlobId>()
  readonly #batches: RangeBatches

  constructor(
    private readonly storage: BlobReader,
    private readonly contents: DiskCache,
    private readonly metadata: DiskCache,
  ) {
    this.#batches = new RangeBatches(storage)
  }

  async fetch(info: ContentInfo): Promise<Buffer> {
    return isMetadata(info.id) ? this.#fromMetadata(info) : this.#fromData(info)
  }

  async forget(info: ContentInfo): Promise<boolean> {
    const [cache, key] = isMetadata(info.id) ? [this.metadata, packCacheKey(info.packBlob)] : [this.contents, contentCacheKey(info)]
    const packKey = packCacheKey(info.packBlob)
    const had = (await cache.has(key)) || (await this.contents.has(packKey))
    await cache.delete(key)
    if (!isMetadata(info.id)) await this.contents.delete(packKey)
    return had
  }

  async prefetch(infos: readonly ContentInfo[], hint: string): Promise<void> {
    if (hint === 'none') return
    const packs = new Map<BlobId, ContentInfo[]>()
    for (const info of infos) {
      const group = packs.get(info.packBlob)
      if (group) group.push(info)
      else packs.set(info.packBlob, [info])
    }
    const jobs: (() => Promise<unknown>)[] = []
    for (const [pack, group] of packs)
      if (wantsWholePack(group, hint))
        jobs.push(() => this.#loadPack(pack, isMetadata((group[0] as ContentInfo).id) ? this.metadata : this.contents))
      else for (const info of group) jobs.push(() => this.#loadContent(info))
    await mapLimited(jobs, prefetchParallelism, (job) => job().catch(() => undefined))
  }

  async loadPack(pack: BlobId): Promise<void> {
    if (!(await this.metadata.has(packCacheKey(pack)))) await this.#loadPack(pack, this.metadata)
  }

  async #fromMetadata(info: ContentInfo): Promise<Buffer> {
    const cached = await this.metadata.getRange(packCacheKey(info.packBlob), info.packOffset, info.packedLength)
    if (cached === 'outside') throw outside(info)
    if (cached) return cached
    if (this.#unkept.has(info.packBlob)) return this.storage.get(info.packBlob, { offset: info.packOffset, length: info.packedLength })
    const pack = await this.#loadPack(info.packBlob, this.metadata)
    if (info.packOffset + info.packedLength > pack.length) throw outside(info)
    return pack.subarray(info.packOffset, info.packOffset + info.packedLength)
  }

  async #fromData(info: ContentInfo): Promise<Buffer> {
    await this.#packs.pending(info.packBlob)?.catch(() => undefined)
    const key = contentCacheKey(info)
    return this.#ranges.run(key, async () => {
      const ticket = this.#batches.enter(info.packBlob)
      try {
        const ofPack = await this.contents.getRange(packCacheKey(info.packBlob), info.packOffset, info.packedLength)
        if (ofPack && ofPack !== 'outside') return ofPack
        const cached = await this.contents.get(key)
        if (cached) return cached
        const fetched = await countMiss(this.contents.name, () => ticket.fetch(info.packOffset, info.packedLength))
        await this.contents.put(key, fetched)
        return fetched
      } finally {
        ticket.done()
      }
    })
  }

  async #loadContent(info: ContentInfo): Promise<void> {
    if (!(await this.contents.has(contentCacheKey(info)))) await this.fetch(info)
  }

  #loadPack(pack: BlobId, cache: DiskCache): Promise<Buffer> {
    return this.#packs.run(pack, async () => {
      const cached = await cache.get(packCacheKey(pack))
      if (cached) return cached
      const whole = await countMiss(cache.name, () => this.storage.get(pack))
      if (!(await cache.put(packCacheKey(pack), whole)) && this.#unkept.size < maxUnkept) this.#unkept.add(pack)
      return whole
    })
  }
}

function wantsWholePack(group: readonly ContentInfo[], hint: string): boolean {
  if (hint === 'contents') return false
  if (hint === 'blobs') return true
  return group.length >= 2 && group.reduce((sum, info) => sum + info.packedLength, 0) >= prefetchPackBytes
}

const outside = (info: ContentInfo): BlobRangeError =>
  new BlobRangeError(info.packBlob, `content ${info.id} should lie at ${info.packOffset}, ${info.packedLength} bytes long`)
