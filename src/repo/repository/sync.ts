import { KuraError, UsageError } from '#base/errors.ts'
import { asObject, JsonShapeError, parseFirstJson, stringOf } from '#base/json-read.ts'
import { mapLimited } from '#base/limit.ts'
import { BlobNotFoundError, UnsupportedOptionError } from '#repo/blob/errors.ts'
import type { BlobId, BlobInfo, BlobStorage } from '#repo/blob/storage.ts'
import { formatBlobId } from '#repo/format/format-blob.ts'

/** The target of a copy holds something else than a copy of this repository. */
export class NotAMirrorError extends KuraError {
  readonly code = 'NOT_A_MIRROR'
}

export interface SyncOptions {
  /** Copy again what is newer in the source. */
  readonly update: boolean
  /** Delete what only the target has. */
  readonly delete: boolean
  /** Compare only; a missing format blob is written all the same (spec 04, 4.7). */
  readonly dryRun: boolean
  /** Blobs copied or deleted at once, at least 1. */
  readonly parallel: number
  /** Fail when the target holds no repository. */
  readonly mustExist: boolean
  /** Give copies the modification time of the original, where the target can. */
  readonly times: boolean
  readonly warn?: (message: string) => void
  /** Hears once what was found, then of every blob that is done. */
  readonly onCompared?: (comparison: Comparison) => void
  readonly onDone?: (blob: BlobInfo, action: 'copied' | 'deleted' | 'vanished') => void
}

export interface Comparison {
  readonly toCopy: readonly BlobInfo[]
  readonly toDelete: readonly BlobInfo[]
  readonly inSync: { readonly count: number; readonly bytes: number }
}

/** Makes `target` a copy of `source`, blob by blob. What an earlier run that was cut off has copied stays; indexes are copied after the
 *  packs that they name and deleted before them, so that the target is a sound repository at any time. Throws NotAMirrorError, UsageError,
 *  and the errors of both storages. Source: spec 04, 4.7. */
export async function syncStorage(source: BlobStorage, target: BlobStorage, options: SyncOptions): Promise<Comparison> {
  if (!(options.parallel >= 1)) throw new UsageError('--parallel must be at least 1')
  await requireMirror(source, target, options)
  const comparison = await compare(source, target, options)
  options.onCompared?.(comparison)
  if (options.dryRun) return comparison
  const copier = new Copier(source, target, options)
  const [indexCopies, otherCopies] = split(comparison.toCopy)
  for (const batch of [otherCopies, indexCopies]) await copier.copyAll(batch)
  for (const batch of split(comparison.toDelete)) await mapLimited(batch, options.parallel, (blob) => copier.delete(blob))
  return comparison
}

/** Indexes, and the rest. */
function split(blobs: readonly BlobInfo[]): readonly [BlobInfo[], BlobInfo[]] {
  return [blobs.filter((blob) => isIndex(blob.id)), blobs.filter((blob) => !isIndex(blob.id))]
}

const isIndex = (id: BlobId): boolean => /^[nx]/.test(id)
/** Named by what they hold: a blob of the same name has the same bytes. */
const isImmutable = (id: BlobId): boolean => /^[pqnx]/.test(id)

async function requireMirror(source: BlobStorage, target: BlobStorage, options: SyncOptions): Promise<void> {
  const ours = await source.get(formatBlobId)
  const theirs = await target.get(formatBlobId).catch((error: unknown) => {
    if (error instanceof BlobNotFoundError) return undefined
    throw error
  })
  if (theirs) {
    if (uniqueIdOf(ours, 'the repository') !== uniqueIdOf(theirs, 'the target'))
      throw new NotAMirrorError(`destination repository contains incompatible data: ${target.displayName} holds another repository`)
    return
  }
  if (options.mustExist)
    throw new NotAMirrorError(`destination repository does not have a format blob: ${target.displayName} holds no repository`)
  if (options.delete)
    for await (const _ of target.list(''))
      throw new NotAMirrorError(`${target.displayName} holds data and no repository: nothing is deleted there. Leave out --delete.`)
  await target.put(formatBlobId, [ours])
}

function uniqueIdOf(formatBlob: Buffer, what: string): string {
  try {
    const id = stringOf(asObject(parseFirstJson(formatBlob.toString('utf8')), what), 'uniqueID', what)
    if (id !== '') return id
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof JsonShapeError)) throw error
  }
  throw new NotAMirrorError(`the format blob of ${what} has no unique ID`)
}

async function compare(source: BlobStorage, target: BlobStorage, options: SyncOptions): Promise<Comparison> {
  const there = new Map<BlobId, BlobInfo>()
  for await (const blob of target.list('')) there.set(blob.id, blob)
  const toCopy: BlobInfo[] = []
  const inSync = { count: 0, bytes: 0 }
  const take = (blob: BlobInfo): void => {
    const copy = there.get(blob.id)
    there.delete(blob.id)
    if (!copy || (options.update && isNewer(blob, copy))) toCopy.push(blob)
    else {
      inSync.count++
      inSync.bytes += blob.sizeBytes
    }
  }
  // Indexes first: the packs of those that are seen now are there when the rest is listed.
  const indexes = new Set<BlobId>()
  for (const prefix of ['n', 'x'])
    for await (const blob of source.list(prefix)) {
      indexes.add(blob.id)
      take(blob)
    }
  const younger = new Set<BlobId>()
  for await (const blob of source.list('')) {
    if (!isIndex(blob.id)) take(blob)
    else if (!indexes.has(blob.id)) younger.add(blob.id)
  }
  const toDelete = options.delete ? [...there.values()].filter((blob) => !younger.has(blob.id)) : []
  return { toCopy, toDelete, inSync }
}

function isNewer(blob: BlobInfo, copy: BlobInfo): boolean {
  if (isImmutable(blob.id) && blob.sizeBytes === copy.sizeBytes) {
    // Many storages keep whole seconds: a copy with the time of its original is not older for that.
    return copy.modifiedMs % 1000 === 0 ? blob.modifiedMs >= copy.modifiedMs + 1000 : blob.modifiedMs > copy.modifiedMs
  }
  return blob.modifiedMs > copy.modifiedMs || (isImmutable(blob.id) && blob.sizeBytes !== copy.sizeBytes)
}

class Copier {
  #times: boolean

  constructor(
    private readonly source: BlobStorage,
    private readonly target: BlobStorage,
    private readonly options: SyncOptions,
  ) {
    this.#times = options.times
  }

  async copyAll(blobs: readonly BlobInfo[]): Promise<void> {
    if (this.options.parallel > 1) {
      await mapLimited(blobs, this.options.parallel, async (blob) => this.write(blob, await this.read(blob)))
      return
    }
    // Where one is written at a time, the next one is read meanwhile.
    let ahead = blobs[0] && this.read(blobs[0])
    for (const [i, blob] of blobs.entries()) {
      const data = await ahead
      const next = blobs[i + 1]
      ahead = next && this.read(next)
      // Its failure is for the turn of that blob, which does not come when this one fails.
      ahead?.catch(() => undefined)
      await this.write(blob, data)
    }
  }

  /** Undefined when it is gone. */
  private async read(blob: BlobInfo): Promise<Buffer | undefined> {
    try {
      return await this.source.get(blob.id)
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error
      return undefined
    }
  }

  private async write(blob: BlobInfo, data: Buffer | undefined): Promise<void> {
    if (data) await this.put(blob, data)
    this.options.onDone?.(blob, data ? 'copied' : 'vanished')
  }

  async delete(blob: BlobInfo): Promise<void> {
    await this.target.delete(blob.id)
    this.options.onDone?.(blob, 'deleted')
  }

  private async put(blob: BlobInfo, data: Buffer): Promise<void> {
    if (this.#times) {
      try {
        await this.target.put(blob.id, [data], { modifiedMs: blob.modifiedMs })
        return
      } catch (error) {
        if (!(error instanceof UnsupportedOptionError)) throw error
        if (this.#times) this.options.warn?.(`${this.target.displayName} cannot keep modification times: copies get the time of copying.`)
        this.#times = false
      }
    }
    await this.target.put(blob.id, [data])
  }
}
