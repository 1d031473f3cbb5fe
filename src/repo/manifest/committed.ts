import { KuraError, messageOf } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { idsWithPrefix } from '#repo/content/content-info.ts'
import type { ContentStore } from '#repo/content/store.ts'
import { CorruptManifestError } from './errors.ts'
import type { Labels } from './manifest.ts'
import { decodeEntries, encodeEntries, type ManifestEntry } from './stored-form.ts'

/** Wanted compression of manifest contents (spec 03, 4.1): zstd-fastest. */
const zstdFastest = 0x1101
const parallelReads = 8
const loadAttempts = 5

export interface CommittedOptions {
  readonly contents: ContentStore
  readonly ignoreMalformed: boolean
  readonly onIgnored: (error: CorruptManifestError) => void
}

/** Manifests as the `m` contents of a repository hold them. Contents never change, so each is read and parsed once. */
export class CommittedManifests {
  /** Live entries by ID. */
  entries: ReadonlyMap<string, ManifestEntry> = new Map()
  /** Live contents that were read; what a compaction may delete. */
  readable: readonly ContentId[] = []
  #parsed = new Map<ContentId, readonly ManifestEntry[]>()
  /** Written by this store; counted in even before the content store lists them. */
  readonly #own = new Set<ContentId>()
  /** Contents left out because they are malformed. With any, what the others hold may be outdated: no compaction then. */
  #ignored = 0
  #byLabel: Map<string, ManifestEntry[]> | undefined

  constructor(readonly options: CommittedOptions) {}

  /** Reads what is new. CorruptManifestError, or the content store's errors. */
  async load(): Promise<void> {
    for (let attempt = 1; ; attempt++)
      try {
        await this.#loadOnce()
        return
      } catch (error) {
        // Another client has compacted meanwhile: start over with the indexes as they are now.
        if (attempt === loadAttempts || !(error instanceof KuraError) || error.code !== 'CONTENT_NOT_FOUND') throw error
        await this.options.contents.refresh()
      }
  }

  async #loadOnce(): Promise<void> {
    const { contents } = this.options
    const live = new Set<ContentId>()
    for (const info of contents.iterate(idsWithPrefix('m'), false)) live.add(info.id)
    for (const id of this.#own) {
      if (contents.info(id)?.deleted) this.#own.delete(id)
      else live.add(id)
    }
    const missing = [...live].filter((id) => !this.#parsed.has(id))
    if (missing.length > 1) await contents.prefetch(missing)
    const parsed = new Map<ContentId, readonly ManifestEntry[]>()
    for (const id of live) {
      const known = this.#parsed.get(id)
      if (known) parsed.set(id, known)
    }
    await mapLimited(missing, parallelReads, async (id) => {
      const entries = await this.#read(id)
      if (entries) parsed.set(id, entries)
    })
    this.#ignored = live.size - parsed.size
    this.#use(parsed)
  }

  async #read(id: ContentId): Promise<readonly ManifestEntry[] | undefined> {
    const stored = await this.options.contents.get(id)
    try {
      return await decodeEntries(stored)
    } catch (cause) {
      const error = new CorruptManifestError(id, messageOf(cause), { cause })
      if (!this.options.ignoreMalformed) throw error
      this.options.onIgnored(error)
      return undefined
    }
  }

  #use(parsed: Map<ContentId, readonly ManifestEntry[]>): void {
    const newest = new Map<string, ManifestEntry>()
    for (const entries of parsed.values())
      for (const entry of entries) {
        const other = newest.get(entry.id)
        if (!other || entry.modifiedNs > other.modifiedNs) newest.set(entry.id, entry)
      }
    for (const [id, entry] of newest) if (entry.deleted) newest.delete(id)
    this.#parsed = parsed
    this.entries = newest
    this.readable = [...parsed.keys()]
    this.#byLabel = undefined
  }

  /** Writes entries as one content and counts them in. */
  async write(entries: readonly ManifestEntry[]): Promise<void> {
    const id = await this.#put(entries)
    this.#own.add(id)
    this.#use(new Map(this.#parsed).set(id, entries))
  }

  /** Replaces all readable contents by one, in one index blob (spec 03, 4.3). One content or none is left alone.
   *  Says whether anything was done; the content store is not flushed. */
  async compact(): Promise<boolean> {
    const { contents } = this.options
    const old = this.readable
    if (old.length < 2 || this.#ignored > 0) return false
    const entries = [...this.entries.values()]
    await contents.withoutIndexFlush(async () => {
      const kept = entries.length === 0 ? undefined : await this.#put(entries)
      for (const id of old) if (id !== kept) await contents.delete(id)
      this.#own.clear()
      if (kept !== undefined) this.#own.add(kept)
      this.#use(new Map(kept === undefined ? [] : [[kept, entries]]))
    })
    return true
  }

  async #put(entries: readonly ManifestEntry[]): Promise<ContentId> {
    const data = await encodeEntries(entries)
    return this.options.contents.put({ prefix: 'm', data, compressionHeader: zstdFastest })
  }

  /** Entries that may have all of the labels: those with the rarest of them. */
  candidates(labels: Labels): Iterable<ManifestEntry> {
    this.#byLabel ??= this.#postings()
    let best: readonly ManifestEntry[] | undefined
    for (const [name, value] of Object.entries(labels)) {
      const list = this.#byLabel.get(`${name}\0${value}`) ?? []
      if (!best || list.length < best.length) best = list
    }
    return best ?? this.entries.values()
  }

  #postings(): Map<string, ManifestEntry[]> {
    const postings = new Map<string, ManifestEntry[]>()
    for (const entry of this.entries.values())
      for (const [name, value] of Object.entries(entry.labels)) {
        const key = `${name}\0${value}`
        const list = postings.get(key)
        if (list) list.push(entry)
        else postings.set(key, [entry])
      }
    return postings
  }
}
