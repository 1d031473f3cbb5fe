import type { BlobId, BlobStorage } from '#repo/blob/storage.ts'
import { type ContentId, isMetadata } from './content-id.ts'
import type { ContentInfo } from './content-info.ts'
import type { Lease } from './lease.ts'
import { contentMetrics } from './metrics.ts'
import { type PackFinisher, packTail } from './pack-finish.ts'
import { preambleBytes } from './pack-layout.ts'
import { type PackKind, PendingPack } from './pending-pack.ts'
import type { PreparedContent } from './prepare.ts'
import { openSession, type Session, type SessionParts } from './session-marker.ts'
import type { ContentCounters } from './store.ts'

/** So much may wait for its upload before writers have to wait too. */
const maxWaitingBytes = 24 * 1024 * 1024
const markerDeleteAttempts = 2

export interface PackWriterParts extends SessionParts, PackFinisher {
  readonly storage: BlobStorage
  readonly maxPackBytes: number
  /** Embedded format blob of repositories created as version 1 (embedFormatBlob), else undefined. */
  readonly formatPrefix: Uint8Array | undefined
  readonly counters: ContentCounters
  readonly onStored: (pack: BlobId) => void
}

/** Own writes that no index blob holds yet: pending packs, packs on their way, and their records (spec 02, 2.4 to 2.7). The methods
 *  that return no promise are atomic; callers await `ready` first and then append in the same tick. */
export class PackWriter {
  readonly #parts: PackWriterParts
  readonly #records = new Map<ContentId, ContentInfo>()
  readonly #open = new Map<PackKind, PendingPack>()
  /** Every pack whose bytes are still in memory. */
  readonly #live = new Map<BlobId, PendingPack>()
  readonly #uploads = new Map<PendingPack, Promise<void>>()
  readonly #failed = new Set<PendingPack>()
  #session: Session | undefined
  #opening: Promise<void> | undefined
  #waitingBytes = 0
  /** Markers of sessions that have ended. */
  readonly #endedMarkers: string[] = []

  constructor(parts: PackWriterParts) {
    this.#parts = parts
  }

  get records(): ReadonlyMap<ContentId, ContentInfo> {
    return this.#records
  }

  find(id: ContentId): ContentInfo | undefined {
    return this.#records.get(id)
  }

  /** Whether the sealed bytes of a record are still in memory. */
  isInMemory(info: ContentInfo): boolean {
    return this.#live.has(info.packBlob)
  }

  /** A copy of the sealed bytes of a record while its pack is in memory: that memory is used again as soon as the pack is stored. */
  sealed(info: ContentInfo): Buffer | undefined {
    return this.#live.get(info.packBlob)?.copy(info.packOffset, info.packedLength)
  }

  /** Prepares an append: retries failed packs, waits while too much is on its way, opens a session. Throws the storage's errors. */
  async ready(): Promise<void> {
    if (this.#failed.size > 0) await this.retryFailed()
    while (this.#waitingBytes >= maxWaitingBytes) await Promise.race([...this.#uploads.values()].map(settled))
    if (this.#session) return
    this.#opening ??= this.#openSession()
    await this.#opening
  }

  /** Whether an append may follow at once; false asks for `ready` again. */
  get isReady(): boolean {
    return this.#session !== undefined
  }

  /** Adds sealed bytes to the pending pack of the content's class and records them. Only when isReady. */
  append(
    sealed: PreparedContent['sealed'],
    info: Omit<ContentInfo, 'packBlob' | 'packOffset' | 'packedLength'>,
    lease?: Lease,
  ): ContentInfo {
    const pack = this.#packFor(info.id)
    const packOffset = pack.lengthBytes
    for (const part of sealed) pack.append(part, lease)
    const packedLength = pack.lengthBytes - packOffset
    // Member by member, in the order of rows from index files: one hidden class for all makes index building several times as fast.
    const record: ContentInfo = {
      id: info.id,
      packBlob: pack.id,
      packOffset,
      packedLength,
      originalLength: info.originalLength,
      timestampSeconds: info.timestampSeconds,
      deleted: info.deleted,
      compressionHeader: info.compressionHeader,
      formatVersion: info.formatVersion,
      encryptionKeyId: info.encryptionKeyId,
    }
    pack.records.set(info.id, record)
    this.#records.set(info.id, record)
    this.#parts.counters.writtenContents++
    this.#parts.counters.writtenBytes += packedLength
    if (pack.lengthBytes >= this.#parts.maxPackBytes) this.#detach(pack)
    return record
  }

  /** Records a change of a content whose bytes lie elsewhere (a deletion). Only when isReady. */
  record(info: ContentInfo): void {
    this.#packFor(info.id).records.set(info.id, info)
    this.#records.set(info.id, info)
  }

  /** Records found in packs (spec 02, 7.4): no session, no pack. */
  adopt(info: ContentInfo): void {
    this.#records.set(info.id, info)
  }

  /** Takes back a content that was appended to a pending pack; false when it lies elsewhere. */
  withdraw(id: ContentId): boolean {
    const pack = this.#open.get(kindOf(id))
    const record = pack?.records.get(id)
    if (pack === undefined || record === undefined || record.deleted || record.packBlob !== pack.id) return false
    pack.records.delete(id)
    this.#records.delete(id)
    return true
  }

  /** Stores everything that is pending (spec 02, 2.8 steps 2 to 4). Throws the first storage error; what failed is kept. */
  async storePacks(): Promise<void> {
    await this.settle()
    await this.retryFailed()
    for (const pack of [...this.#open.values()]) this.#detach(pack)
    await this.settle()
    await this.retryFailed()
  }

  /** Waits until no upload runs. */
  async settle(): Promise<void> {
    await Promise.all([...this.#uploads.values()].map(settled))
  }

  async retryFailed(): Promise<void> {
    await Promise.all([...this.#failed].map((pack) => this.#store(pack)))
  }

  /** '' while no session is open: the records come from recovery only. */
  get sessionId(): string {
    return this.#session?.id ?? ''
  }

  /** After the index blobs are stored: forgets the records and ends the session. Synchronous, so that no look-up falls in between. */
  forgetCommitted(): void {
    this.#records.clear()
    if (this.#session) this.#endedMarkers.push(...this.#session.markers)
    this.#session = undefined
  }

  /** Deletes the markers of ended sessions. A marker that stays only delays pack collection, so failures are left for the next time. */
  async deleteMarkers(): Promise<void> {
    for (const marker of this.#endedMarkers.splice(0))
      for (let attempt = 1; attempt <= markerDeleteAttempts; attempt++)
        try {
          await this.#parts.storage.delete(marker)
          break
        } catch {
          if (attempt === markerDeleteAttempts) this.#endedMarkers.push(marker)
        }
  }

  async #openSession(): Promise<void> {
    try {
      this.#session = await openSession(this.#parts)
    } finally {
      this.#opening = undefined
    }
  }

  #packFor(id: ContentId): PendingPack {
    const kind = kindOf(id)
    const open = this.#open.get(kind)
    if (open) return open
    const { random, formatPrefix } = this.#parts
    const preamble = formatPrefix ? [formatPrefix, random(preambleBytes)] : [random(preambleBytes)]
    const pack = new PendingPack(`${kind}${random(16).toString('hex')}-${this.sessionId}`, kind, preamble)
    this.#open.set(kind, pack)
    this.#live.set(pack.id, pack)
    return pack
  }

  #detach(pack: PendingPack): void {
    this.#open.delete(pack.kind)
    if (!pack.isReferenced) {
      this.#live.delete(pack.id)
      pack.dropMemory()
      return
    }
    // A failure keeps the pack among the failed ones; the next write or flush tries again and reports.
    this.#store(pack).catch(() => undefined)
  }

  #store(pack: PendingPack): Promise<void> {
    const running = this.#uploads.get(pack)
    if (running) return running
    this.#waitingBytes += pack.lengthBytes
    const upload = this.#upload(pack).finally(() => {
      this.#uploads.delete(pack)
      this.#waitingBytes -= pack.lengthBytes
    })
    this.#uploads.set(pack, upload)
    return upload
  }

  async #upload(pack: PendingPack): Promise<void> {
    const { storage, counters, onStored } = this.#parts
    try {
      pack.finished ??= [...pack.parts, ...packTail(pack.lengthBytes, pack.records.values(), this.#parts)]
      pack.records.clear()
      const stored = await storage.put(pack.id, pack.finished)
      this.#failed.delete(pack)
      this.#live.delete(pack.id)
      pack.dropMemory()
      counters.uploadedBlobs++
      counters.uploadedBytes += stored.sizeBytes
      contentMetrics.uploadedBytes += stored.sizeBytes
      onStored(pack.id)
    } catch (error) {
      this.#failed.add(pack)
      throw error
    }
  }
}

const settled = (work: Promise<void>): Promise<void> => work.catch(() => undefined)
const kindOf = (id: ContentId): PackKind => (isMetadata(id) ? 'q' : 'p')
