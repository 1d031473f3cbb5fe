import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '#base/clock.ts'
import { messageOf } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import { BlobNotFoundError, StorageError } from '#repo/blob/errors.ts'
import type { BlobId, BlobInfo } from '#repo/blob/storage.ts'
import type { Cipher } from '#repo/crypto/algorithms.ts'
import { openBlob } from '#repo/crypto/blob-sealing.ts'
import type { IndexCache } from './cache/index-cache.ts'
import type { EpochManager } from './epoch/manager.ts'
import { CorruptIndexError } from './index/errors.ts'
import type { IndexFile } from './index/index-file.ts'
import { IndexSet } from './index/index-set.ts'
import { parseIndex } from './index/parse.ts'
import type { IndexBlobManager } from './index-blobs/manager.ts'

const refreshAfterMs = 15 * 60_000
/** Pause after an automatic refresh that failed. */
const retryAfterMs = 60_000
const fetchParallelism = 5
/** Looks at the listing while blobs on it are gone: for 3 seconds in all. */
const maxLoadAttempts = 6
const firstPauseMs = 100
const manyBlobs = 1000
/** 16 million rows of the longest keys, and their packs, need less. */
const maxIndexBytes = 2 ** 30
const poisonedName = '-repository_unreadable_by_this_'

export interface CommittedIndexParts {
  readonly manager: IndexBlobManager
  readonly cache: IndexCache
  readonly cipher: Cipher
  /** Bytes of the repository's hash: indexes of other contents are of no use, and would make every look-up fail. */
  readonly hashBytes: number
  readonly clock: Clock
  /** Skips whatever cannot be loaded, and never refreshes by itself (spec 02, section 9). */
  readonly permissive: boolean
  readonly autoRefresh: boolean
  readonly warn: (message: string) => void
  /** Drops cached listings, when a listed blob turned out to be gone. */
  readonly forgetListings: () => Promise<void>
}

/** The index blobs in force and the set they make (spec 02, 6.3). */
export class CommittedIndex {
  readonly #parts: CommittedIndexParts
  #files = new Map<BlobId, IndexFile>()
  readonly #damaged = new Map<BlobId, string>()
  #warnedOfMany = false
  readonly #warned = new Set<BlobId>()
  #refreshAtMs = 0
  #refreshing: Promise<void> | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #refreshOff = 0
  set = new IndexSet([], undefined)
  revision = 0

  constructor(parts: CommittedIndexParts) {
    this.#parts = parts
  }

  /** Index blobs that are listed but could not be used, with the reason. */
  get damaged(): ReadonlyMap<BlobId, string> {
    return this.#damaged
  }

  /** Names of the index blobs in force. */
  get blobs(): readonly BlobId[] {
    return [...this.#files.keys()]
  }

  /** Loads the active set. Storage errors are thrown; a damaged blob is reported and skipped. */
  load(): Promise<void> {
    return this.#exclusive(() => this.#load())
  }

  /** Loads again when the last load is older than 15 minutes; callers at the same time share it. */
  async loadIfOld(): Promise<void> {
    const { clock, permissive, autoRefresh } = this.#parts
    if (permissive || !autoRefresh || this.#refreshOff > 0 || clock.nowMs() < this.#refreshAtMs) return
    this.#refreshing ??= this.load()
      .catch((error: unknown) => {
        this.#refreshAtMs = clock.nowMs() + retryAfterMs
        throw error
      })
      .finally(() => {
        this.#refreshing = undefined
      })
    await this.#refreshing
  }

  get epochs(): EpochManager | undefined {
    return this.#parts.manager.epochs
  }

  /** Loads again whatever another client may have changed. */
  async refresh(): Promise<void> {
    this.#parts.manager.invalidate()
    await this.#parts.forgetListings()
    this.#damaged.clear()
    await this.load()
  }

  /** While `work` runs the indexes are loaded again only when refresh or change is called. */
  async withoutRefresh<T>(work: () => Promise<T>): Promise<T> {
    this.#refreshOff++
    try {
      return await work()
    } finally {
      this.#refreshOff--
    }
  }

  /** Lets `work` merge or replace index blobs, apart from any load or write, and loads the outcome, also when it failed. */
  change<T>(work: (manager: IndexBlobManager) => Promise<T>): Promise<T> {
    return this.#exclusive(async () => {
      const { manager, forgetListings } = this.#parts
      try {
        return await work(manager)
      } finally {
        manager.invalidate()
        await forgetListings()
        await this.#load()
      }
    })
  }

  /** Stores shards as index blobs and adds them to the set, apart from any load. `then` runs in the same tick as the addition.
   *  SlowIndexWriteError, or the storage's errors. */
  write(shards: readonly Buffer[], sessionId: string, then: () => void): Promise<void> {
    return this.#exclusive(async () => {
      const written = await this.#parts.manager.write(shards, sessionId)
      const files = new Map(this.#files)
      for (const { id, file } of written) files.set(id, this.#parse(file, id))
      this.#swap(files, this.set.watermarkSeconds)
      then()
      await Promise.all(written.map(({ id, file }) => this.#parts.cache.keepOpened(id, file)))
    })
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => undefined)
    return result
  }

  async #load(): Promise<void> {
    const { manager, forgetListings, clock } = this.#parts
    for (let attempt = 1; ; attempt++) {
      const startedMs = clock.nowMs()
      const active = await manager.activeSet()
      for (const [name, reason] of active.damaged ?? []) this.#skip(name, reason)
      const { files, missing } = await this.#filesOf(active.blobs)
      if (missing.length === 0 || attempt === maxLoadAttempts) {
        // Listed again and again, and never there: files that lie where their names do not belong.
        for (const name of missing) this.#skip(name, 'it is listed, but not there when it is asked for')
        this.#swapIfChanged(files, active.watermarkSeconds)
        this.#refreshAtMs = startedMs + refreshAfterMs
        this.#afterLoad(files)
        return
      }
      manager.invalidate()
      await forgetListings()
      await pause(firstPauseMs * 2 ** (attempt - 1))
    }
  }

  /** Index blobs that can be used, and the names of those that are gone. */
  async #filesOf(blobs: readonly BlobInfo[]): Promise<{ readonly files: Map<BlobId, IndexFile>; readonly missing: readonly BlobId[] }> {
    const missing: BlobId[] = []
    const loaded = await mapLimited(blobs, fetchParallelism, async (blob) => {
      try {
        return await this.#file(blob)
      } catch (error) {
        if (!(error instanceof BlobNotFoundError)) throw error
        missing.push(blob.id)
        return undefined
      }
    })
    const files = new Map<BlobId, IndexFile>()
    for (const [i, { id }] of blobs.entries()) {
      const file = loaded[i]
      if (file) files.set(id, file)
    }
    return { files, missing }
  }

  #swapIfChanged(files: Map<BlobId, IndexFile>, watermarkSeconds: number | undefined): void {
    const same =
      files.size === this.#files.size &&
      watermarkSeconds === this.set.watermarkSeconds &&
      [...files.keys()].every((n) => this.#files.has(n))
    if (!same) this.#swap(files, watermarkSeconds)
  }

  #swap(files: Map<BlobId, IndexFile>, watermarkSeconds: number | undefined): void {
    this.set = new IndexSet([...files.values()], watermarkSeconds, this.set)
    this.#files = files
    this.revision++
  }

  #afterLoad(files: ReadonlyMap<BlobId, IndexFile>): void {
    if (files.size > manyBlobs && !this.#warnedOfMany) {
      this.#warnedOfMany = true
      this.#parts.warn(`there are ${files.size} index blobs, which makes everything slow. Maintenance merges them.`)
    }
    void this.#parts.cache.removeUnused(new Set(files.keys()))
  }

  /** The parsed index blob, from memory, the cache or storage; undefined when it is damaged. */
  async #file({ id: name, sizeBytes }: BlobInfo): Promise<IndexFile | undefined> {
    const known = this.#files.get(name)
    if (known) return known
    if (this.#damaged.has(name)) return undefined
    if (name.includes(poisonedName))
      throw new CorruptIndexError(name, 0, 'the repository was upgraded to another index format; connect to it again')
    try {
      if (sizeBytes > maxIndexBytes) throw new CorruptIndexError(name, 0, `it has ${sizeBytes} bytes, more than any index`)
      return (await this.#fromCache(name)) ?? (await this.#fromStorage(name))
    } catch (error) {
      if (error instanceof BlobNotFoundError && !this.#parts.permissive) throw error
      if (error instanceof StorageError && !this.#parts.permissive) throw error
      this.#skip(name, messageOf(error))
      return undefined
    }
  }

  /** Goes on without an index blob. */
  #skip(name: BlobId, reason: string): void {
    this.#damaged.set(name, reason)
    if (this.#warned.has(name)) return
    this.#warned.add(name)
    this.#parts.warn(
      `index blob ${name} is skipped: ${reason}. Contents known only from it cannot be read. Mend it with "kura index recover".`,
    )
  }

  async #fromCache(name: BlobId): Promise<IndexFile | undefined> {
    const cached = await this.#parts.cache.opened(name)
    if (cached === undefined) return undefined
    try {
      return this.#parse(cached, name)
    } catch {
      await this.#parts.cache.forget(name)
      return undefined
    }
  }

  async #fromStorage(name: BlobId): Promise<IndexFile> {
    const { cache, cipher } = this.#parts
    try {
      const opened = await openBlob(cipher, name, await cache.sealed(name))
      const file = this.#parse(opened, name)
      await cache.keepOpened(name, opened)
      return file
    } catch (error) {
      await cache.forget(name)
      throw error
    }
  }

  /** Touches the first and last row too, so that a file cut short is found here and not at some later look-up. */
  #parse(bytes: Buffer, name: BlobId): IndexFile {
    const file = parseIndex(bytes, this.#parts.cipher.overheadBytes, name)
    if (file.count > 0) {
      if (file.keySize !== 1 + this.#parts.hashBytes) throw new CorruptIndexError(name, 1, `key size ${file.keySize}`)
      file.at(0)
      file.at(file.count - 1)
    }
    return file
  }
}
