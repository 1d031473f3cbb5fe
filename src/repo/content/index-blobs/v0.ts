import { KuraError } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import { BlobNotFoundError, StorageError } from '#repo/blob/errors.ts'
import type { BlobId, BlobInfo } from '#repo/blob/storage.ts'
import type { ContentInfo } from '#repo/content/content-info.ts'
import { listAll } from '#repo/content/epoch/refresh.ts'
import { buildIndexFromFiles } from '#repo/content/index/build.ts'
import type { ActiveIndexBlobs, IndexBlobContext, WrittenIndex } from './context.ts'
import type { IndexBlobManager, IndexCompaction } from './manager.ts'
import { SealedIndexes } from './sealed-index.ts'
import { type CompactionLog, formatCleanupList, formatCompactionLog, parseCleanupList, parseCompactionLog } from './v0-log.ts'

/** Prefixes of the scheme without epochs (spec 02, section 0). */
const indexPrefix = 'n'
const logPrefix = 'm'
const cleanupPrefix = 'l'

/** How long superseded blobs stay for clients that still read them (spec 02, 4.2 step 7). */
const settleMs = 3_600_000
const parallelTransfers = 5

interface StoredLog extends CompactionLog {
  readonly blob: BlobInfo
}

interface Listing {
  readonly active: readonly BlobInfo[]
  /** Logs whose outputs are all there. */
  readonly validLogs: readonly StoredLog[]
  /** Logs that cannot be read. Their inputs stay active: readers see what was merged twice, which does no harm. */
  readonly damaged: ReadonlyMap<BlobId, KuraError>
}

/** Index blobs of repositories without epochs (spec 02, 4.2). Only one client may compact at a time. */
export class IndexBlobsV0 implements IndexBlobManager {
  readonly epochs = undefined
  readonly #sealed: SealedIndexes

  constructor(readonly context: IndexBlobContext) {
    this.#sealed = new SealedIndexes(context)
  }

  /** Throws the storage's errors. */
  async activeSet(): Promise<ActiveIndexBlobs> {
    const { active, damaged } = await this.#list()
    return { blobs: active, damaged: new Map([...damaged].map(([id, error]) => [id, error.message])) }
  }

  async write(shards: readonly Buffer[], sessionId: string): Promise<WrittenIndex[]> {
    const suffix = sessionId === '' ? undefined : sessionId
    return mapLimited(shards, 1, async (file) => ({ id: (await this.#sealed.store(indexPrefix, file, suffix)).id, file }))
  }

  invalidate(): void {}

  /** Throws CorruptIndexError, DecryptionError for what cannot be read, then nothing has changed; and the storage's errors. */
  async compact(options: IndexCompaction): Promise<void> {
    const { active, damaged } = await this.#list()
    for (const error of damaged.values()) throw error
    const inputs = chooseInputs(active, options, this.context.format.maxPackSizeBytes)
    const drops = options.dropDeletedBeforeSeconds !== undefined || (options.dropContents?.size ?? 0) > 0
    if (inputs.length > 1 || (inputs.length === 1 && drops)) await this.#merge(inputs, options)
    await this.#finishCleanup(options.disableSafety ? 0 : settleMs)
  }

  async #list(): Promise<Listing> {
    const [logs, indexes] = await Promise.all([this.#all(logPrefix), this.#all(indexPrefix)])
    const present = new Set(indexes.map(({ id }) => id))
    const damaged = new Map<BlobId, KuraError>()
    const read = await mapLimited(logs, parallelTransfers, async (blob) => {
      try {
        return await this.#readLog(blob)
      } catch (error) {
        if (!(error instanceof KuraError) || error instanceof StorageError) throw error
        damaged.set(blob.id, error)
        return undefined
      }
    })
    const validLogs = read.filter((log) => log?.outputs.every((id) => present.has(id))) as StoredLog[]
    const superseded = new Set(validLogs.flatMap((log) => log.inputs))
    return { active: indexes.filter(({ id }) => !superseded.has(id)), validLogs, damaged }
  }

  async #all(prefix: string): Promise<BlobInfo[]> {
    return (await listAll(this.context.storage, prefix)).sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** A log, or undefined when it vanished after it was listed. */
  async #readLog(blob: BlobInfo): Promise<StoredLog | undefined> {
    const plain = await this.#readIfPresent(blob.id)
    return plain && { blob, ...parseCompactionLog(blob.id, plain) }
  }

  async #readIfPresent(id: BlobId): Promise<Buffer | undefined> {
    try {
      return await this.#sealed.read(id)
    } catch (error) {
      if (error instanceof BlobNotFoundError) return undefined
      throw error
    }
  }

  async #merge(inputs: readonly BlobInfo[], options: IndexCompaction): Promise<void> {
    const files = await this.#sealed.loadAll(inputs)
    const shards = buildIndexFromFiles(files, this.context.format.indexVersion, keptBy(options), {
      randomSuffix: true,
      random: this.#sealed.random,
    })
    const outputs = await mapLimited(shards, parallelTransfers, (shard) => this.#sealed.store(indexPrefix, shard))
    const log = await this.#sealed.store(logPrefix, formatCompactionLog(inputs, outputs))
    await this.#deleteStale(log, options.disableSafety ? 0 : settleMs)
  }

  /** Deletes the inputs of settled logs, and only then lists those logs for clean-up: an input whose log is gone would be active
   *  again (spec 02, 4.2 step 7). */
  async #deleteStale(newest: BlobInfo, settle: number): Promise<void> {
    const { validLogs } = await this.#list()
    const stale = validLogs.filter(({ blob }) => blob.modifiedMs <= newest.modifiedMs - settle)
    if (stale.length === 0) return
    await this.#deleteAll(stale.flatMap((log) => log.inputs))
    const list = formatCleanupList(
      stale.map(({ blob }) => blob.id),
      newest.modifiedMs,
    )
    await this.#sealed.store(cleanupPrefix, list)
  }

  /** Deletes the logs named by settled clean-up lists, then the lists (spec 02, 4.2 step 8). */
  async #finishCleanup(settle: number): Promise<void> {
    const lists = await this.#all(cleanupPrefix)
    const latestMs = lists.reduce((latest, { modifiedMs }) => Math.max(latest, modifiedMs), -Infinity)
    for (const { id } of lists) {
      const plain = await this.#readIfPresent(id)
      if (!plain) continue
      const { blobs, scheduledMs } = parseCleanupList(id, plain)
      if (latestMs - scheduledMs < settle) continue
      await this.#deleteAll(blobs)
      await this.context.storage.delete(id)
    }
  }

  async #deleteAll(ids: readonly BlobId[]): Promise<void> {
    await mapLimited(ids, parallelTransfers, (id) => this.context.storage.delete(id))
  }
}

/** The active blobs that a compaction merges; none when there is nothing to gain (spec 02, 4.2 steps 1 and 2). */
export function chooseInputs(active: readonly BlobInfo[], options: IndexCompaction, maxPackSizeBytes: number): readonly BlobInfo[] {
  const candidates = options.allIndexes ? active : active.filter(({ sizeBytes }) => sizeBytes <= maxPackSizeBytes)
  if (candidates.length < options.maxSmallBlobs) return []
  const verySmall = candidates.filter(({ sizeBytes }) => sizeBytes < Math.floor(maxPackSizeBytes / 20))
  const others = candidates.length - verySmall.length
  return verySmall.length > Math.floor(candidates.length / 2) && others + 1 < options.maxSmallBlobs ? verySmall : candidates
}

/** Which merged records stay (spec 02, 4.2 step 4). */
function keptBy({ dropContents, dropDeletedBeforeSeconds }: IndexCompaction): ((row: ContentInfo) => boolean) | undefined {
  if (!dropContents?.size && dropDeletedBeforeSeconds === undefined) return undefined
  return (row) => !dropContents?.has(row.id) && !(row.deleted && row.timestampSeconds < (dropDeletedBeforeSeconds ?? -Infinity))
}
