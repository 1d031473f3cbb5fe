import { KuraError, messageOf } from '#base/errors.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import type { IndexSet } from '#repo/content/index/index-set.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { isIndirect, objectIdParts } from '#repo/object/object-id.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { formatSource } from '#snapshot/model/source-text.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'

const readsAtOnce = 16

/** A snapshot cannot be walked to its end, so nobody knows what it needs. */
export class UnreadableTreeError extends KuraError {
  readonly code = 'UNREADABLE_TREE'
}

/** Which contents of a set are needed by snapshots: one bit for each record, and another one for the directories that were walked. Trees that
 *  snapshots share are walked once. Source: spec 07, 7.6.6. */
export class LiveContents {
  readonly #live: Uint8Array
  readonly #walked: Uint8Array
  /** Objects made of several contents that were marked. */
  readonly #composite = new Set<ObjectId>()

  /** `set`: the committed contents of `repository`. */
  constructor(
    readonly repository: DirectRepository,
    readonly set: IndexSet,
  ) {
    this.#live = new Uint8Array(Math.ceil(set.count / 8))
    this.#walked = new Uint8Array(Math.ceil(set.count / 8))
  }

  /** Whether the record in that slot is needed. */
  has(slot: number): boolean {
    return bit(this.#live, slot)
  }

  /** Marks everything that a snapshot needs. Throws UnreadableTreeError: what cannot be read cannot be marked. */
  async mark(snapshot: Snapshot): Promise<void> {
    const { rootEntry } = snapshot
    if (!rootEntry) return
    const jobs: (() => Promise<void>)[] = []
    try {
      this.#visit(rootEntry, jobs)
      await drain(jobs)
    } catch (error) {
      throw new UnreadableTreeError(
        `snapshot ${snapshot.id} of ${formatSource(snapshot.source)} cannot be walked: ${messageOf(error)}. Nothing was deleted. Mend or delete that snapshot first.`,
        { cause: error },
      )
    }
  }

  #visit({ type, objectId, name }: DirectoryEntry, jobs: (() => Promise<void>)[]): void {
    if (objectId === '') throw new UnreadableTreeError(`"${name}" has no object`)
    if (!isIndirect(objectId)) {
      const slot = this.#markContent(objectIdParts(objectId).content)
      if (type !== 'd' || bit(this.#walked, slot)) return
      setBit(this.#walked, slot)
    } else {
      const isNew = !this.#composite.has(objectId)
      this.#composite.add(objectId)
      if (isNew) jobs.push(() => this.#markComposite(objectId))
      if (type !== 'd' || !isNew) return
    }
    jobs.push(async () => {
      const { entries } = await readStoredDirectory(this.repository, objectId)
      for (const entry of entries) this.#visit(entry, jobs)
    })
  }

  async #markComposite(id: ObjectId): Promise<void> {
    for (const content of await this.repository.objects.contentsOf(id)) this.#markContent(content)
  }

  #markContent(id: ContentId | ''): number {
    const slot = id === '' ? -1 : this.set.slotOf(id)
    if (slot < 0) throw new UnreadableTreeError(`content ${id} is not in the indexes`)
    setBit(this.#live, slot)
    return slot
  }
}

/** Runs jobs that add further ones, the newest first; the first error stops new ones, waits for those that run, and is thrown. */
async function drain(jobs: (() => Promise<void>)[]): Promise<void> {
  const running = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  while (!failure && (jobs.length > 0 || running.size > 0)) {
    const job = running.size < readsAtOnce ? jobs.pop() : undefined
    if (!job) {
      await Promise.race(running)
      continue
    }
    const run: Promise<void> = job()
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => running.delete(run))
    running.add(run)
  }
  await Promise.all(running)
  if (failure) throw failure.error
}

const bit = (bits: Uint8Array, at: number): boolean => (((bits[Math.floor(at / 8)] as number) >> (at % 8)) & 1) === 1

function setBit(bits: Uint8Array, at: number): void {
  bits[Math.floor(at / 8)] = (bits[Math.floor(at / 8)] as number) | (1 << (at % 8))
}
