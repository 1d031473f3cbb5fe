import type { Clock } from '#base/clock.ts'
import { goJson, parseLosslessJson } from '#base/go-json.ts'
import { formatTimeNs, parseTimeNs } from '#base/time.ts'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import type { BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from '#repo/blob/storage.ts'
import type { DiskCache } from './disk-cache.ts'
import type { OwnWrites } from './own-writes.ts'

/** Names whose listings are cached and corrected by own writes (spec 02, 6.4). */
export const cachedPrefixes: readonly string[] = ['n', 'm', 'l', 'xn', 'xe', 'xs', 'xr']

export const cachedPrefixOf = (id: BlobId): string | undefined => cachedPrefixes.find((prefix) => id.startsWith(prefix))

/** Storage whose listings of index-like blobs are corrected by own recent writes and reused for a while; everything else passes
 *  through. Source: spec 02, 6.4. */
export class ListingCache implements BlobStorage {
  constructor(
    private readonly inner: BlobStorage,
    private readonly lists: DiskCache,
    private readonly ownWrites: OwnWrites,
    private readonly lifeMs: number,
    private readonly clock: Clock,
  ) {}

  get backend(): string {
    return this.inner.backend
  }
  get displayName(): string {
    return this.inner.displayName
  }
  get connection(): BlobStorage['connection'] {
    return this.inner.connection
  }
  get extras(): BlobExtras {
    return this.inner.extras
  }

  get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    return this.inner.get(id, range)
  }

  stat(id: BlobId): Promise<BlobInfo> {
    return this.inner.stat(id)
  }

  async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    if (cachedPrefixOf(prefix) === undefined) yield* this.inner.list(prefix)
    else if (this.lifeMs > 0 && cachedPrefixes.includes(prefix)) yield* await this.#cachedList(prefix)
    else yield* await this.#correctedList(prefix)
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    const written = await this.inner.put(id, parts, options)
    await this.#changed(id, 'add')
    return written
  }

  async delete(id: BlobId): Promise<void> {
    await this.inner.delete(id)
    await this.#changed(id, 'del')
  }

  close(): Promise<void> {
    return this.inner.close()
  }

  /** Drops every cached listing. */
  async forgetListings(): Promise<void> {
    await Promise.all(cachedPrefixes.map((prefix) => this.lists.delete(prefix)))
  }

  async #changed(id: BlobId, change: 'add' | 'del'): Promise<void> {
    const prefix = cachedPrefixOf(id)
    if (prefix === undefined) return
    await this.ownWrites.note(id, change)
    await this.lists.delete(prefix)
  }

  async #cachedList(prefix: BlobId): Promise<readonly BlobInfo[]> {
    const cached = await this.lists.get(prefix)
    const found = cached && parseList(cached)
    if (found && found.expireAfterMs > this.clock.nowMs()) return found.blobs
    const blobs = await this.#correctedList(prefix)
    await this.lists.put(prefix, Buffer.from(listJson(this.clock.nowMs() + this.lifeMs, blobs)))
    return blobs
  }

  async #correctedList(prefix: BlobId): Promise<readonly BlobInfo[]> {
    const changes = await this.ownWrites.recent(prefix)
    const blobs: BlobInfo[] = []
    const seen = new Set<BlobId>()
    for await (const blob of this.inner.list(prefix)) {
      seen.add(blob.id)
      if (changes.get(blob.id) !== 'del') blobs.push(blob)
    }
    for (const [id, change] of changes)
      if (change === 'add' && !seen.has(id)) {
        const found = await this.inner.stat(id).catch((error: unknown) => {
          if (error instanceof BlobNotFoundError) return undefined
          throw error
        })
        if (found) blobs.push(found)
      }
    return blobs
  }
}

const msToNs = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * 1000n

function listJson(expireAfterMs: number, blobs: readonly BlobInfo[]): string {
  return goJson({
    expireAfter: formatTimeNs(msToNs(expireAfterMs)),
    blobs: blobs.map((b) => ({ id: b.id, length: b.sizeBytes, timestamp: formatTimeNs(msToNs(b.modifiedMs)) })),
  })
}

interface ListJson {
  readonly expireAfter: string
  readonly blobs: readonly { readonly id: string; readonly length: number; readonly timestamp: string }[] | null
}

/** Undefined for anything unexpected: then the entry is a miss. */
function parseList(bytes: Buffer): { expireAfterMs: number; blobs: BlobInfo[] } | undefined {
  try {
    const json = parseLosslessJson(bytes.toString()) as ListJson
    const toMs = (text: string): number => Number(parseTimeNs(text) / 1000n) / 1000
    const blobs = (json.blobs ?? []).map((b) => ({ id: b.id, sizeBytes: b.length, modifiedMs: toMs(b.timestamp) }))
    return { expireAfterMs: toMs(json.expireAfter), blobs }
  } catch {
    return undefined
  }
}
