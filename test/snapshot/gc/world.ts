import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import { decodeInner, parseFormatBlob, sealFormatBlob } from '#repo/format/format-blob.ts'
import { ensureMaintenanceOwner } from '#repo/maintenance/owner.ts'
import { runMaintenance } from '#repo/maintenance/run.ts'
import { safetyOf } from '#repo/maintenance/safety.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { createRepository } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { collectGarbage } from '#snapshot/gc/collect.ts'
import { newCounters } from '#snapshot/model/counters.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { deleteSnapshot, listSnapshots, saveSnapshot } from '#snapshot/model/snapshots.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { TestClock } from '../../repo/content/rig.ts'
import { fastKey } from '../../support/fast-key.ts'
import { MortalStorage } from './mortal-storage.ts'

export const minuteMs = 60_000
export const hourMs = 60 * minuteMs
const password = 'test-password'
/** A session must record what it refers to at least so often (spec 07, 7.1.11). */
const longestSessionMs = 45 * minuteMs

const noSummary = {
  totalBytes: 0,
  fileCount: 0,
  symlinkCount: 0,
  directoryCount: 0,
  maxTimeNs: 0n,
  fatalErrorCount: 0,
  ignoredErrorCount: 0,
  errors: [],
}

/** Epochs that pass within a schedule. */
const shortEpochs = {
  enabled: true,
  epochRefreshFrequencyNs: 600_000_000_000n,
  fullCheckpointFrequency: 2,
  cleanupSafetyMarginNs: 3_600_000_000_000n,
  minEpochDurationNs: 3_600_000_000_000n,
  epochAdvanceOnCountThreshold: 2,
  epochAdvanceOnTotalSizeBytesThreshold: 10_485_760,
  deleteParallelism: 4,
}

const startMs = Date.UTC(2026, 0, 1)
const made = new Map<number, Promise<Map<string, StoredBlob>>>()

/** Blobs of a new repository of that format version whose maintenance is client 0's; made once. */
async function newBlobs(version: number): Promise<Map<string, StoredBlob>> {
  let blobs = made.get(version)
  if (!blobs) {
    blobs = make(version)
    made.set(version, blobs)
  }
  return new Map(await blobs)
}

async function make(version: number): Promise<Map<string, StoredBlob>> {
  const clock = new TestClock(startMs)
  const blobs = new Map<string, StoredBlob>()
  await createRepository(memoryStorage(clock, blobs), { version, splitter: 'FIXED-128K', deriveKey: fastKey }, password)
  if (version > 1) {
    const outer = parseFormatBlob((blobs.get('kopia.repository') as StoredBlob).data)
    const formatKey = await fastKey(outer.keyAlgorithm, password, outer.uniqueId)
    const format = { ...decodeInner(outer, formatKey), epochs: shortEpochs }
    blobs.set('kopia.repository', { data: sealFormatBlob(format, outer, formatKey), modifiedMs: startMs })
  }
  const first = await openRepositoryDirectly(memoryStorage(clock, blobs), password, options(clock, 0))
  await ensureMaintenanceOwner(first.manifests, 'user0@host')
  await first.flush()
  await first.close()
  return blobs
}

const options = (clock: TestClock, number: number) => ({
  deriveKey: fastKey,
  clock,
  client: { hostname: 'host', username: `user${number}` },
})

interface Client {
  readonly repository: DirectRepository
  readonly storage: MortalStorage
}

interface OpenSession {
  readonly client: number
  readonly begunMs: number
  readonly files: readonly string[]
  readonly ids: readonly ObjectId[]
}

/** What happens to a client while it does something. */
export interface Disturbance {
  readonly kind: 'none' | 'crash' | 'interrupt'
  readonly after: number
}

/** Clients of one repository in memory, a clock that moves only when told to, and what they are sure to have stored. */
export class World {
  readonly clock = new TestClock(startMs)
  readonly snapshots = new Map<string, readonly string[]>()
  /** Deletions of which nobody knows whether they happened. */
  readonly #uncertain = new Set<string>()
  readonly #clients = new Map<number, Client>()
  #session: OpenSession | undefined
  #reader: DirectRepository | undefined
  #count = 0

  private constructor(readonly blobs: Map<string, StoredBlob>) {}

  static async create(version: number): Promise<World> {
    return new World(await newBlobs(version))
  }

  async #client(number: number): Promise<Client> {
    const known = this.#clients.get(number)
    if (known) return known
    const storage = new MortalStorage(this.clock, this.blobs)
    const client = { storage, repository: await openRepositoryDirectly(storage, password, options(this.clock, number)) }
    this.#clients.set(number, client)
    return client
  }

  /** Moves the clock. A session that would be open too long ends: its client is killed. */
  move(ms: number): void {
    this.clock.ms += ms
    if (this.#session && this.clock.ms - this.#session.begunMs > longestSessionMs) {
      this.#clients.delete(this.#session.client)
      this.#session = undefined
    }
  }

  /** Runs `work` for a client that may be killed meanwhile, or during which another client may finish its session. False when it was killed. */
  async #disturbed(number: number, { kind, after }: Disturbance, work: (repository: DirectRepository) => Promise<void>): Promise<boolean> {
    const { storage, repository } = await this.#client(number)
    if (kind === 'interrupt') storage.interruptAfter(after, () => this.finishSession())
    if (kind !== 'crash') {
      await work(repository)
      storage.calm()
      return true
    }
    const died = storage.dieAfter(after)
    const outcome = await Promise.race([work(repository), died])
    storage.calm()
    if (outcome !== 'died') return true
    this.#clients.delete(number)
    return false
  }

  /** A whole snapshot of these files, each with its text. */
  async snapshot(number: number, files: readonly string[], disturbance: Disturbance): Promise<void> {
    if (this.#session?.client === number) return
    let id = ''
    const done = await this.#disturbed(number, disturbance, async (repository) => {
      id = await this.#save(repository, files, await writeFiles(repository, files))
      await repository.flush()
    })
    if (done) this.snapshots.set(id, files)
    else this.#remember(id, files)
  }

  /** Writes the files of a snapshot and leaves the rest for later. `storesPacks`: what was written is stored already, but in no index. */
  async beginSession(number: number, files: readonly string[], storesPacks: boolean): Promise<void> {
    if (this.#session) return
    const { repository } = await this.#client(number)
    const begunMs = this.clock.ms
    this.#session = { client: number, begunMs, files, ids: await writeFiles(repository, files) }
    if (storesPacks) await repository.contents.withoutIndexFlush(() => repository.flush())
  }

  async finishSession(): Promise<void> {
    const session = this.#session
    if (!session) return
    this.#session = undefined
    const { repository } = await this.#client(session.client)
    const id = await this.#save(repository, session.files, session.ids)
    await repository.flush()
    this.snapshots.set(id, session.files)
  }

  async delete(number: number, which: number, disturbance: Disturbance): Promise<void> {
    const ids = [...this.snapshots.keys()]
    const id = ids[which % Math.max(1, ids.length)]
    if (id === undefined || this.#session?.client === number) return
    const done = await this.#disturbed(number, disturbance, async (repository) => {
      await repository.refresh()
      await deleteSnapshot(repository, id)
      await repository.flush()
    })
    if (!done) this.#uncertain.add(id)
    else this.snapshots.delete(id)
  }

  async maintain(mode: 'quick' | 'full' | 'auto', safetyName: 'full' | 'none', disturbance: Disturbance): Promise<void> {
    if (this.#session?.client === 0) return
    // Without waiting periods nobody else may be at work.
    const alone = safetyName === 'none'
    if (alone && this.#session) return
    const how = alone && disturbance.kind === 'interrupt' ? { ...disturbance, kind: 'none' as const } : disturbance
    await this.#disturbed(0, how, async (repository) => {
      await runMaintenance(repository, { mode, safety: safetyOf(safetyName), collectGarbage })
    })
    if (alone) this.forgetClients()
  }

  /** All clients but the one that maintains go away in peace. */
  forgetClients(): void {
    for (const number of [...this.#clients.keys()]) if (number !== 0) this.#clients.delete(number)
  }

  /** Rewrites all contents that are not deleted. */
  async rewriteAll(disturbance: Disturbance): Promise<void> {
    if (this.#session?.client === 0) return
    await this.#disturbed(0, disturbance, async (repository) => {
      await repository.refresh()
      for (const { id } of [...repository.contents.iterate({ start: '', end: '{' }, false)]) await repository.contents.rewrite(id)
      await repository.flush()
    })
  }

  async #save(repository: DirectRepository, files: readonly string[], ids: readonly ObjectId[]): Promise<string> {
    const entry = (name: string, type: string, objectId: ObjectId, sizeBytes = 0): DirectoryEntry => ({
      name,
      type,
      mode: 0o644,
      sizeBytes,
      modifiedNs: 0n,
      uid: 0,
      gid: 0,
      objectId,
    })
    const half = Math.ceil(files.length / 2)
    const entries = files.map((text, i) => entry(`f${i}`, 'f', ids[i] as ObjectId, text.length))
    const [below] = await repository.objects.writeMany([asObject(encodeDirectory(entries.slice(half), noSummary), 'k')])
    const top = [...entries.slice(0, half), { ...entry('d', 'd', below as ObjectId), summary: noSummary }]
    const [root] = await repository.objects.writeMany([asObject(encodeDirectory(top, noSummary), 'k')])
    const startNs = this.clock.nowNs() + BigInt(this.#count++)
    const source = { user: repository.client.username, host: 'host', path: '/data' }
    const rootEntry = { ...entry('data', 'd', root as ObjectId), summary: noSummary }
    return saveSnapshot(repository, {
      id: '',
      source,
      description: '',
      startNs,
      endNs: startNs,
      stats: newCounters(),
      rootEntry,
      tags: {},
      pins: [],
    })
  }

  /** A snapshot whose client was killed: it counts if it is there. */
  #remember(id: string, files: readonly string[]): void {
    if (id === '') return
    this.snapshots.set(id, files)
    this.#uncertain.add(id)
  }

  /** Reads every snapshot as a client does that sees all that is stored. Throws when anything is missing. */
  async verify(): Promise<void> {
    this.#reader ??= await openRepositoryDirectly(memoryStorage(this.clock, this.blobs), password, {
      ...options(this.clock, 9),
      autoRefresh: false,
    })
    const reader = this.#reader
    await reader.refresh()
    const listed = new Map((await listSnapshots(reader)).map((s) => [s.id, s]))
    for (const id of this.#uncertain) if (!listed.has(id)) this.snapshots.delete(id)
    this.#uncertain.clear()
    for (const [id, files] of this.snapshots) {
      const root = listed.get(id)?.rootEntry
      if (!root) throw new Error(`snapshot ${id} is gone`)
      const { entries } = await readStoredDirectory(reader, root.objectId as ObjectId)
      const below = entries.find((e) => e.type === 'd') as DirectoryEntry
      const all = [...entries.filter((e) => e.type === 'f'), ...(await readStoredDirectory(reader, below.objectId as ObjectId)).entries]
      if (all.length !== files.length) throw new Error(`snapshot ${id} has ${all.length} files`)
      for (const file of all) {
        const bytes = await reader.objects.readAll(file.objectId as ObjectId)
        if (bytes.toString('latin1') !== files[Number(file.name.slice(1))])
          throw new Error(`${file.name} of snapshot ${id} is not what it was`)
      }
    }
    for (const id of listed.keys()) if (!this.snapshots.has(id)) throw new Error(`snapshot ${id} is back`)
  }

  /** The contents that are not deleted, and the blobs under p, q and s. */
  async stored(): Promise<{ contents: number; packs: string[]; usedPacks: Set<string>; markers: string[] }> {
    const { repository } = await this.#client(0)
    await repository.refresh()
    const rows = [...repository.contents.iterate({ start: '', end: '{' }, true)]
    const names = [...this.blobs.keys()]
    return {
      contents: rows.filter((r) => !r.deleted).length,
      packs: names.filter((n) => /^[pq]/.test(n)),
      usedPacks: new Set(rows.map((r) => r.packBlob)),
      markers: names.filter((n) => n.startsWith('s')),
    }
  }
}

const asObject = (data: Uint8Array, prefix: string) => ({
  data,
  options: { prefix, compressor: '', metadataCompressor: '', splitter: '' },
})

function writeFiles(repository: DirectRepository, files: readonly string[]): Promise<ObjectId[]> {
  return repository.objects.writeMany(files.map((text) => asObject(Buffer.from(text, 'latin1'), '')))
}
