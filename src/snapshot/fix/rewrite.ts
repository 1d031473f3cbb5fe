import { KuraError, messageOf } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { encodeEntry } from '#snapshot/model/entry-json.ts'
import { DirectoryFormatError } from '#snapshot/model/errors.ts'
import { directoryId, readStoredDirectory, type StoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { directoryObjectOptions } from '#snapshot/upload/entry-options.ts'
import { SummaryBuilder } from '#snapshot/upload/summary.ts'
import { addOwnFailures } from './own-failures.ts'

export type InvalidDirectoryHandling = 'fail' | 'stub' | 'keep'
export type InvalidFileHandling = InvalidDirectoryHandling | 'remove'

/** A tree could not be rewritten, or must not be. */
export class TreeRewriteError extends KuraError {
  readonly code = 'TREE_REWRITE'
}

export interface RewriteOptions {
  /** What becomes of an entry: itself, another one, or undefined to leave it out. Directories are asked about before what is in them. */
  readonly decide: (entry: DirectoryEntry, path: string) => Promise<DirectoryEntry | undefined> | DirectoryEntry | undefined
  readonly invalidDirectories: InvalidDirectoryHandling
  readonly metadataCompressor: string
  /** Files decided about at once. */
  readonly parallel: number
  readonly signal?: AbortSignal
}

/** Rewrites trees entry by entry; equal entries once. Source: spec 03, 5.7; spec 07, 7.7.3. */
export class TreeRewriter {
  readonly #known = new Map<string, DirectoryEntry | undefined>()

  constructor(
    readonly repository: Repository,
    readonly options: RewriteOptions,
  ) {}

  /** The root that takes the place of `root`; the same object when nothing is to be changed. Throws TreeRewriteError where the options say
   *  to fail, and what writing objects throws. */
  async rewriteRoot(root: DirectoryEntry, path: string): Promise<DirectoryEntry> {
    const rewritten = await this.#rewrite(root, path, [])
    return rewritten ?? this.#invalidDirectory(root, path, new TreeRewriteError('the root of the snapshot would be removed'))
  }

  async #rewrite(entry: DirectoryEntry, path: string, ancestors: readonly string[]): Promise<DirectoryEntry | undefined> {
    const key = encodeEntry(entry)
    if (this.#known.has(key)) {
      const known = this.#known.get(key)
      // What was kept is told by being the same object.
      return known && encodeEntry(known) === key ? entry : known
    }
    this.options.signal?.throwIfAborted()
    const decided = await this.options.decide(entry, path)
    const result = decided?.type === 'd' ? await this.#rewriteDirectory(decided, path, ancestors) : decided
    this.#known.set(key, result)
    return result
  }

  async #rewriteDirectory(entry: DirectoryEntry, path: string, ancestors: readonly string[]): Promise<DirectoryEntry> {
    let stored: StoredDirectory
    try {
      if (ancestors.includes(entry.objectId)) throw new DirectoryFormatError('the directory contains itself')
      stored = await readStoredDirectory(this.repository, directoryId(entry))
    } catch (error) {
      return this.#invalidDirectory(entry, path, error)
    }
    const below = [...ancestors, entry.objectId]
    const results = new Map<DirectoryEntry, DirectoryEntry | undefined>()
    const files = stored.entries.filter((e) => e.type !== 'd')
    await mapLimited(files, this.options.parallel, async (e) => results.set(e, await this.#rewrite(e, `${path}/${e.name}`, below)))
    for (const e of stored.entries) if (e.type === 'd') results.set(e, await this.#rewrite(e, `${path}/${e.name}`, below))
    if (stored.entries.every((e) => results.get(e) === e)) return entry
    const entries = stored.entries.map((e) => results.get(e)).filter((e) => e !== undefined)
    const builder = new SummaryBuilder()
    for (const e of entries) builder.add(e)
    const old = stored.summary ?? entry.summary
    addOwnFailures(builder, old, stored.entries)
    const summary = builder.build(entry.modifiedNs, old?.incomplete)
    const options = directoryObjectOptions(this.options.metadataCompressor)
    const [objectId] = await this.repository.objects.writeMany([{ data: encodeDirectory(entries, summary), options }])
    return { ...entry, objectId: objectId as ObjectId, summary }
  }

  async #invalidDirectory(entry: DirectoryEntry, path: string, error: unknown): Promise<DirectoryEntry> {
    const { invalidDirectories } = this.options
    if (invalidDirectories === 'keep') return entry
    if (invalidDirectories === 'stub') return writeStub(this.repository, entry, error)
    throw new TreeRewriteError(`${path}: ${messageOf(error)}`, { cause: error })
  }
}

/** An entry that tells in place of a damaged one what was there and what is wrong with it. */
export async function writeStub(repository: Repository, entry: DirectoryEntry, error: unknown): Promise<DirectoryEntry> {
  const stub = {
    info: 'This file stands in for an entry of the backup that could not be read when the snapshot was fixed.',
    error: messageOf(error),
    entry: JSON.parse(encodeEntry(entry)) as object,
  }
  const data = Buffer.from(`${JSON.stringify(stub, undefined, 4).replaceAll('\n', '\n  ')}\n`)
  const options = { prefix: '', compressor: '', metadataCompressor: '', splitter: '' }
  const [objectId] = await repository.objects.writeMany([{ data, options }])
  const { summary: _, ...attributes } = entry
  return { ...attributes, type: 'f', name: `.INVALID.${entry.name}`, sizeBytes: data.length, objectId: objectId as ObjectId }
}
