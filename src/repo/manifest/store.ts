import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '#base/clock.ts'
import { messageOf } from '#base/errors.ts'
import { parseLosslessJson } from '#base/go-json.ts'
import type { ContentStore } from '#repo/content/store.ts'
import { CommittedManifests } from './committed.ts'
import {
  type CorruptManifestError,
  DamagedManifestError,
  InvalidManifestError,
  ManifestNotFoundError,
  ReadOnlyManifestsError,
} from './errors.ts'
import { byTimeThenId, hasLabels } from './labels.ts'
import type { Labels, ManifestInfo, ManifestStore } from './manifest.ts'
import type { ManifestEntry } from './stored-form.ts'

export interface ManifestStoreOptions {
  readonly contents: ContentStore
  readonly clock: Clock
  /** Source of manifest IDs; default: the system's. */
  readonly random?: (bytes: number) => Uint8Array
  /** Nothing may be put, and loading never compacts. */
  readonly readOnly: boolean
  /** Goes on without contents that cannot be read; default: KOPIA_IGNORE_MALFORMED_MANIFEST_CONTENTS is set. */
  readonly ignoreMalformed?: boolean
  /** Hears of each content left out. */
  readonly onIgnored?: (error: CorruptManifestError) => void
}

/** Contents from which on loading compacts (spec 03, 4.3). */
const compactFrom = 16
/** Replace waits until what it deletes is as old as this (spec 03, 4.2). */
const replaceAgeMs = 100

/** Manifests over a content store. Nothing is read before the first call. Source: spec 03, section 4. */
export function openManifestStore(options: ManifestStoreOptions): ManifestStore {
  return new Store(options)
}

class Store implements ManifestStore {
  readonly #committed: CommittedManifests
  readonly #pending = new Map<string, ManifestEntry>()
  #loadedRevision: number | undefined
  #loading: Promise<void> | undefined
  /** Writes of contents, one after another. */
  #writing: Promise<unknown> = Promise.resolve()

  constructor(readonly options: ManifestStoreOptions) {
    this.#committed = new CommittedManifests({
      contents: options.contents,
      ignoreMalformed: options.ignoreMalformed ?? !!process.env['KOPIA_IGNORE_MALFORMED_MANIFEST_CONTENTS'],
      onIgnored: options.onIgnored ?? (() => {}),
    })
  }

  async get(id: string): ReturnType<ManifestStore['get']> {
    await this.#load()
    const entry = this.#entry(id)
    if (!entry) throw new ManifestNotFoundError(id)
    return { info: infoOf(entry), payload: payloadOf(entry), json: entry.json }
  }

  async find(labels: Labels): Promise<ManifestInfo[]> {
    await this.#load()
    const found: ManifestInfo[] = []
    for (const entry of this.#committed.candidates(labels))
      if (!this.#pending.has(entry.id) && hasLabels(entry.labels, labels)) found.push(infoOf(entry))
    for (const entry of this.#pending.values()) if (!entry.deleted && hasLabels(entry.labels, labels)) found.push(infoOf(entry))
    return found.sort(byTimeThenId)
  }

  async put(labels: Labels, json: string): Promise<string> {
    this.#checkWritable()
    if (!labels['type']) throw new InvalidManifestError('a manifest needs the label "type"')
    try {
      JSON.parse(json)
    } catch (error) {
      throw new InvalidManifestError(`the payload of a manifest is not JSON: ${messageOf(error)}`, { cause: error })
    }
    const { random = randomBytes, clock } = this.options
    const id = Buffer.from(random(16)).toString('hex')
    this.#pending.set(id, { id, labels: { ...labels }, modifiedNs: clock.nowNs(), deleted: false, json })
    return id
  }

  async delete(id: string): Promise<void> {
    this.#checkWritable()
    await this.#load()
    const entry = this.#entry(id)
    if (!entry) return
    // Never older than what it deletes, or it would have no effect when clocks differ.
    const now = this.options.clock.nowNs()
    const modifiedNs = now > entry.modifiedNs ? now : entry.modifiedNs + 1n
    this.#pending.set(id, { id, labels: {}, modifiedNs, deleted: true, json: 'null' })
  }

  async replace(labels: Labels, json: string): Promise<string> {
    this.#checkWritable()
    const old = await this.find(labels)
    const youngest = this.options.clock.nowNs() - BigInt(replaceAgeMs) * 1_000_000n
    if (old.some((info) => info.modifiedNs > youngest)) await delay(replaceAgeMs)
    for (const { id } of old) await this.delete(id)
    return this.put(labels, json)
  }

  async compact(): Promise<void> {
    this.#checkWritable()
    await this.#load()
    await this.#serially(() => this.#committed.compact())
  }

  async flush(): Promise<void> {
    await this.#serially(async () => {
      const entries = [...this.#pending.values()]
      if (entries.length === 0) return
      await this.#committed.write(entries)
      for (const entry of entries) if (this.#pending.get(entry.id) === entry) this.#pending.delete(entry.id)
    })
  }

  #entry(id: string): ManifestEntry | undefined {
    const entry = this.#pending.get(id) ?? this.#committed.entries.get(id)
    return entry?.deleted ? undefined : entry
  }

  #checkWritable(): void {
    if (this.options.readOnly) throw new ReadOnlyManifestsError('manifests cannot be changed: the repository is open for reading only')
  }

  async #load(): Promise<void> {
    while (this.#loadedRevision !== this.options.contents.revision) {
      this.#loading ??= this.#serially(() => this.#reload()).finally(() => {
        this.#loading = undefined
      })
      await this.#loading
    }
  }

  async #reload(): Promise<void> {
    const { contents, readOnly } = this.options
    const revision = contents.revision
    await this.#committed.load()
    // Loads that overlap with a change, and those that compact, are done again by #load(); what was read stays parsed.
    this.#loadedRevision = revision
    if (!readOnly && this.#committed.readable.length >= compactFrom && (await this.#committed.compact())) await contents.flush()
  }

  /** Runs `work` after all that was asked for before. */
  #serially<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#writing.then(work)
    this.#writing = run.catch(() => {})
    return run
  }
}

/** Loading looks at payloads no closer than to find where they end. */
function payloadOf({ id, json }: ManifestEntry): unknown {
  try {
    return parseLosslessJson(json)
  } catch (error) {
    throw new DamagedManifestError(id, messageOf(error), { cause: error })
  }
}

const infoOf = ({ id, labels, modifiedNs, json }: ManifestEntry): ManifestInfo => ({
  id,
  labels,
  modifiedNs,
  sizeBytes: Buffer.byteLength(json),
})
