import type { Clock } from '#base/clock.ts'
import { mapLimited } from '#base/limit.ts'
import { BlobNotFoundError, BlobRangeError } from '#repo/blob/errors.ts'
import type { BlobId, BlobStorage } from '#repo/blob/storage.ts'
import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import type { RepositoryFormat } from '#repo/format/repository-format.ts'
import type { ContentSource } from './cache/content-source.ts'
import type { MissingPacks } from './cache/missing-packs.ts'
import { SingleFlight } from './cache/single-flight.ts'
import type { CommittedIndex } from './committed-index.ts'
import { expandOpened, fileOpenBytes, openContent, openContentFile } from './content-codec.ts'
import type { ContentId } from './content-id.ts'
import type { ContentInfo, IdRange } from './content-info.ts'
import { ContentNotFoundError, CorruptContentError } from './errors.ts'
import { buildIndex } from './index/build.ts'
import { beats } from './index/merge.ts'
import { Lease } from './lease.ts'
import { byId, mergedRows } from './merged-rows.ts'
import { contentMetrics } from './metrics.ts'
import type { PackPresence } from './pack-presence.ts'
import type { PackWriter } from './pack-writer.ts'
import { type PreparedContent, prepareContents } from './prepare.ts'
import { readMany } from './read-many.ts'
import type { ContentCounters, ContentStore, ContentToWrite, ContentUpkeep, PlainMemory } from './store.ts'

const expandParallelism = 4
/** Longest time that finished contents wait for an index blob while writing goes on (spec 02, 2.1 step 5). */
const flushEveryMs = 10 * 60_000
/** No more of them wait: each costs some 300 bytes of memory until then. */
const defaultMaxPendingRecords = 200_000

export interface DirectContentStoreParts {
  readonly storage: BlobStorage
  readonly format: RepositoryFormat
  readonly hasher: Hasher
  readonly cipher: Cipher
  readonly clock: Clock
  readonly committed: CommittedIndex
  readonly presence: PackPresence
  readonly writer: PackWriter
  readonly source: ContentSource
  readonly missing: MissingPacks
  readonly counters: ContentCounters
  /** Contents that may wait for an index blob; 200,000 when absent. */
  readonly maxPendingRecords?: number | undefined
  /** Ends what runs in the background. */
  readonly stop: AbortController
}

/** Contents of a repository whose storage this process talks to itself (spec 02). Opened by openContentStore. */
export class DirectContentStore implements ContentStore {
  readonly #p: DirectContentStoreParts
  #nextFlushMs: number
  #flushing: Promise<void> | undefined
  #indexFlushOff = 0
  readonly #lookAgain = new SingleFlight<void>()
  readonly upkeep: ContentUpkeep

  constructor(parts: DirectContentStoreParts) {
    this.#p = parts
    const { committed } = parts
    this.upkeep = {
      get committed() {
        return committed.set
      },
      get epochs() {
        return committed.epochs
      },
      pendingPacks: () => new Set([...parts.writer.records.values()].map(({ packBlob }) => packBlob)),
      withoutRefresh: (work) => committed.withoutRefresh(work),
      changeIndexes: (work) => committed.change(work),
    }
    this.#nextFlushMs = parts.clock.nowMs() + flushEveryMs
  }

  get counters(): ContentCounters {
    return this.#p.counters
  }

  get revision(): number {
    return this.#p.committed.revision
  }

  get damagedIndexes(): ReadonlyMap<BlobId, string> {
    return this.#p.committed.damaged
  }

  /** Names of the index blobs in force. */
  get activeIndexes(): readonly BlobId[] {
    return this.#p.committed.blobs
  }

  info(id: ContentId): ContentInfo | undefined {
    return this.#p.writer.find(id) ?? this.#p.committed.set.find(id)
  }

  async isPresent(id: ContentId): Promise<boolean> {
    await this.#p.committed.loadIfOld()
    const info = this.info(id)
    if (info === undefined || info.deleted) return false
    return this.#p.writer.find(id) !== undefined || this.#p.presence.has(info.packBlob)
  }

  async arePresent(ids: readonly ContentId[]): Promise<boolean[]> {
    await this.#p.committed.loadIfOld()
    const { writer, presence } = this.#p
    const present = new Array<boolean>(ids.length)
    const { set } = this.#p.committed
    const found = set.findMany(ids)
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as ContentId
      // While this waits below, what was in the writer may come into a new set.
      const info = writer.find(id) ?? (set === this.#p.committed.set ? found[i] : this.#p.committed.set.find(id))
      if (info === undefined || info.deleted) present[i] = false
      else present[i] = writer.find(id) !== undefined || (presence.known(info.packBlob) ?? (await presence.has(info.packBlob)))
    }
    return present
  }

  async arePresentByKey(keys: Uint8Array, keyBytes: number): Promise<Uint8Array | undefined> {
    await this.#p.committed.loadIfOld()
    const { writer, presence, committed } = this.#p
    const packs = writer.records.size === 0 ? committed.set.packsOf(keys, keyBytes) : undefined
    if (!packs) return undefined
    const present = new Uint8Array(packs.length)
    for (const [i, pack] of packs.entries()) if (pack !== '' && (presence.known(pack) ?? (await presence.has(pack)))) present[i] = 1
    return present
  }

  async get(id: ContentId, memory?: PlainMemory): Promise<Buffer> {
    let info = this.info(id)
    if (info) {
      // What is known can be read without waiting for a refresh, and even if that fails.
      void this.#p.committed.loadIfOld().catch(() => undefined)
    } else {
      await this.#p.committed.loadIfOld()
      info = this.info(id)
    }
    if (!info) {
      contentMetrics.getNotFound++
      throw new ContentNotFoundError(id)
    }
    const startMs = performance.now()
    const plain = await this.#read(info, memory).catch((error: unknown) => {
      contentMetrics.getErrors++
      throw error
    })
    contentMetrics.read.add(plain.length, startMs)
    this.#p.counters.readContents++
    this.#p.counters.readBytes += plain.length
    return plain
  }

  async getMany(ids: readonly ContentId[], maxBytes: number): Promise<(Buffer | undefined)[]> {
    const { writer, source, cipher, counters } = this.#p
    const plains = new Array<Buffer | undefined>(ids.length).fill(undefined)
    const { fetchRange } = source
    const { openRanges } = cipher
    if (!fetchRange || !openRanges) return plains
    const infos: ContentInfo[] = []
    const places: number[] = []
    for (const [i, id] of ids.entries()) {
      const info = this.info(id)
      if (!info || writer.isInMemory(info) || info.packedLength < cipher.overheadBytes) continue
      if (Math.max(info.packedLength - cipher.overheadBytes, info.originalLength) > maxBytes) continue
      infos.push(info)
      places.push(i)
    }
    const opened = await readMany(infos, fetchRange, openRanges)
    const take = (k: number, plain: Buffer) => {
      plains[places[k] as number] = plain
      counters.readContents++
      counters.readBytes += plain.length
    }
    const compressed: number[] = []
    for (const [k, bytes] of opened.entries())
      if (bytes && infos[k]?.compressionHeader === 0 && infos[k].encryptionKeyId === 0) take(k, bytes)
      else if (bytes) compressed.push(k)
    await mapLimited(compressed, expandParallelism, async (k) => {
      const plain = await expandOpened(infos[k] as ContentInfo, opened[k] as Buffer).catch(() => undefined)
      if (plain) take(k, plain)
    })
    return plains
  }

  *iterate(range: IdRange, includeDeleted: boolean): Iterable<ContentInfo> {
    const { writer, committed } = this.#p
    const own = [...writer.records.values()].filter(({ id }) => id >= range.start && id < range.end).sort(byId)
    if (own.length === 0) yield* committed.set.iterate(range, includeDeleted)
    else for (const row of mergedRows(own, committed.set.iterate(range, true))) if (includeDeleted || !row.deleted) yield row
  }

  async prefetch(ids: readonly ContentId[], hint = ''): Promise<ContentId[]> {
    const infos = ids.map((id) => this.info(id)).filter((info) => info !== undefined)
    await this.#p.source.prefetch(
      infos.filter((info) => !this.#p.writer.isInMemory(info)),
      hint,
    )
    return infos.map(({ id }) => id)
  }

  async put(content: ContentToWrite): Promise<ContentId> {
    const [id] = await this.putMany([content])
    return id as ContentId
  }

  async putMany(contents: readonly ContentToWrite[]): Promise<ContentId[]> {
    if (contents.length === 0) return []
    await this.#p.committed.loadIfOld()
    const startMs = performance.now()
    const { ids, prepared } = await prepareContents(contents, { ...this.#p, arePresent: (ids) => this.arePresent(ids) })
    contentMetrics.write.add(
      contents.reduce((sum, { data }) => sum + data.length, 0),
      startMs,
    )
    if (prepared.length > 0) await this.#append(prepared)
    return ids
  }

  async putOwned(contents: readonly ContentToWrite[], release: () => void): Promise<ContentId[]> {
    const lease = new Lease(release)
    try {
      await this.#p.committed.loadIfOld()
      const parts = { ...this.#p, arePresent: (ids: readonly ContentId[]) => this.arePresent(ids), mayOverwrite: true }
      const { ids, prepared } = await prepareContents(contents, parts)
      if (prepared.length > 0) await this.#append(prepared, lease)
      return ids
    } finally {
      lease.drop()
    }
  }

  async delete(id: ContentId): Promise<void> {
    await this.#p.committed.loadIfOld()
    await this.#readyToAppend()
    const { writer, committed } = this.#p
    const info = this.info(id)
    if (!info) throw new ContentNotFoundError(id)
    if (info.deleted) return
    // A record that replaced a committed one may not just vanish: the older one would show again.
    if (committed.set.find(id) === undefined && writer.withdraw(id)) return
    writer.record({ ...info, deleted: true, timestampSeconds: this.#timestampAfter(info) })
  }

  async undelete(id: ContentId): Promise<void> {
    const info = this.info(id)
    if (!info) throw new ContentNotFoundError(id)
    if (info.deleted) await this.#copy(info, false)
  }

  async rewrite(id: ContentId): Promise<void> {
    const info = this.info(id)
    if (!info) throw new ContentNotFoundError(id)
    await this.#copy(info, info.deleted)
  }

  async flush(): Promise<void> {
    while (this.#flushing) await this.#flushing.catch(() => undefined)
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined
    })
    await this.#flushing
  }

  async withoutIndexFlush<T>(work: () => Promise<T>): Promise<T> {
    this.#indexFlushOff++
    try {
      return await work()
    } finally {
      this.#indexFlushOff--
    }
  }

  async refresh(): Promise<void> {
    await this.#p.committed.refresh()
    this.#p.presence.forgetAbsent()
  }

  /** Takes over records found in packs (recover.ts) where they beat what is known; permanent after flush. Returns how many were new.
   *  Source: spec 02, 7.4. */
  adopt(records: Iterable<ContentInfo>): number {
    let count = 0
    for (const record of records) {
      const known = this.info(record.id)
      if (known && !beats(record, known)) continue
      this.#p.writer.adopt(record)
      count++
    }
    return count
  }

  /** Loads a metadata pack into the cache ("cache sync"). */
  loadMetadataPack(pack: BlobId): Promise<void> {
    return this.#p.source.loadPack(pack)
  }

  /** Does not flush: what was not flushed is given up. The storage stays open, it belongs to the caller. */
  async close(): Promise<void> {
    await this.#flushing?.catch(() => undefined)
    await this.#p.writer.settle()
    this.#p.stop.abort()
  }

  async #flush(): Promise<void> {
    const { writer, committed, format } = this.#p
    await writer.storePacks()
    if (this.#indexFlushOff > 0) return
    if (writer.records.size > 0) {
      const shards = buildIndex(writer.records.values(), format.indexVersion)
      await committed.write(shards, writer.sessionId, () => writer.forgetCommitted())
    } else writer.forgetCommitted()
    await writer.deleteMarkers()
    this.#nextFlushMs = this.#p.clock.nowMs() + flushEveryMs
  }

  /** Resolves when an append may follow in the same tick. */
  async #readyToAppend(): Promise<void> {
    const { maxPendingRecords = defaultMaxPendingRecords } = this.#p
    const areMany = this.#p.writer.records.size >= maxPendingRecords && this.#indexFlushOff === 0
    if ((areMany || this.#p.clock.nowMs() > this.#nextFlushMs) && !this.#flushing) await this.flush()
    do {
      while (this.#flushing) await this.#flushing.catch(() => undefined)
      await this.#p.writer.ready()
    } while (this.#flushing || !this.#p.writer.isReady)
  }

  async #append(prepared: readonly PreparedContent[], lease?: Lease): Promise<void> {
    await this.#readyToAppend()
    for (const content of prepared) {
      const known = this.info(content.id)
      // Somebody else wrote it while we compressed: one copy is enough.
      if (known && !known.deleted && (this.#p.writer.find(content.id) || this.#p.presence.known(known.packBlob))) continue
      this.#appendOne(content, known, false, lease)
    }
  }

  #appendOne(content: PreparedContent, known: ContentInfo | undefined, deleted: boolean, lease?: Lease): void {
    const info = {
      id: content.id,
      originalLength: content.originalLength,
      timestampSeconds: this.#timestampAfter(known),
      deleted,
      compressionHeader: content.compressionHeader,
      formatVersion: this.#p.format.version,
      encryptionKeyId: 0,
    }
    this.#p.writer.append(content.sealed, info, content.isInPlace ? lease : undefined)
  }

  async #copy(info: ContentInfo, deleted: boolean): Promise<void> {
    const data = await this.#read(info)
    const prefix = info.id.length % 2 === 1 ? info.id.slice(0, 1) : ''
    const { prepared } = await prepareContents([{ prefix, data, compressionHeader: info.compressionHeader }], {
      ...this.#p,
      arePresent: async (ids) => ids.map(() => false),
      knownIds: [info.id],
    })
    await this.#readyToAppend()
    for (const content of prepared) this.#appendOne(content, this.info(info.id) ?? info, deleted)
  }

  /** Now, or one second after the record that is to be replaced (spec 02, section 5). */
  #timestampAfter(known: ContentInfo | undefined): number {
    return Math.max(Math.floor(this.#p.clock.nowMs() / 1000), known === undefined ? 0 : known.timestampSeconds + 1)
  }

  async #read(info: ContentInfo, memory?: PlainMemory): Promise<Buffer> {
    const { writer, source, cipher } = this.#p
    const inMemory = writer.sealed(info)
    if (inMemory) return openContent(cipher, info, inMemory)
    const { openFile } = cipher
    if (openFile && source.withFile && info.packedLength >= fileOpenBytes) {
      // Whatever goes wrong here, the ordinary way finds out what it is.
      const plain = await source
        .withFile(info.packBlob, (fd) => openContentFile(openFile, info, fd, memory), info.packedLength)
        .catch(() => undefined)
      if (plain) return plain
    }
    try {
      return await openContent(cipher, info, await source.fetch(info), memory)
    } catch (error) {
      if (error instanceof CorruptContentError && (await source.forget(info))) return openContent(cipher, info, await source.fetch(info))
      if (error instanceof BlobNotFoundError) return this.#readMoved(info, error)
      if (error instanceof BlobRangeError) throw new CorruptContentError(info.id, info.packBlob, error.message, { cause: error })
      throw error
    }
  }

  /** The pack is gone: another client may have rewritten its contents elsewhere meanwhile. */
  async #readMoved(info: ContentInfo, cause: BlobNotFoundError): Promise<Buffer> {
    const { missing, cipher, source } = this.#p
    if (!missing.has(info.packBlob)) await this.#lookAgain.run('', () => this.refresh())
    const now = this.info(info.id)
    if (now && now.packBlob !== info.packBlob) return openContent(cipher, now, await source.fetch(now))
    if (!missing.has(info.packBlob)) missing.add(info.packBlob)
    throw new CorruptContentError(info.id, info.packBlob, 'its pack is not in the storage', { cause })
  }
}
