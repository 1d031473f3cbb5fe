import { randomUUID } from 'node:crypto'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { directoryObjectOptions } from './entry-options.ts'
import type { FileInProgress } from './file.ts'
import type { KeptEntries } from './kept.ts'
import { SummaryBuilder } from './summary.ts'

/** A directory while it is walked: what a checkpoint needs to write it as it stands (spec 07, 7.1.11). */
export class DirectoryInProgress {
  readonly finished: DirectoryEntry[] = []
  /** What is taken over from an earlier snapshot as it stands; not among `finished`. */
  kept: KeptEntries | undefined
  readonly #children = new Set<DirectoryInProgress>()
  readonly #files = new Map<FileInProgress, DirectoryEntry>()

  /** `entry`: the directory's own attributes; its object and summary do not matter. */
  constructor(
    readonly entry: DirectoryEntry,
    readonly metadataCompressor: string,
  ) {}

  addChild(child: DirectoryInProgress): void {
    this.#children.add(child)
  }

  removeChild(child: DirectoryInProgress): void {
    this.#children.delete(child)
  }

  /** `entry`: attributes of the file, its size as lstat gave it. Returns what takes the file off the list again. */
  addFile(file: FileInProgress, entry: DirectoryEntry): () => void {
    this.#files.set(file, entry)
    return () => this.#files.delete(file)
  }

  /** Writes the directory with what is there now, and everything in progress below it. */
  async checkpoint(repository: Repository): Promise<DirectoryEntry> {
    const unfinished: { file: FileInProgress; entry: DirectoryEntry }[] = []
    for (const [file, entry] of [...this.#files]) {
      const objectId = await file.writer.checkpoint()
      // The changed name keeps a later run from taking the unfinished object for the file's.
      if (objectId !== '') unfinished.push({ file, entry: { ...entry, name: `.checkpointed.${file.name}.${randomUUID()}`, objectId } })
    }
    // Taken together, without a pause: whatever is finished from here on is still among the children.
    const children = [...this.#children]
    const entries = [
      ...this.finished,
      ...(this.kept?.entries() ?? []),
      ...unfinished.filter((u) => this.#files.has(u.file)).map((u) => u.entry),
    ]
    for (const child of children) entries.push(await child.checkpoint(repository))
    const summaries = new SummaryBuilder()
    for (const entry of entries) summaries.add(entry)
    const summary = summaries.build(this.entry.modifiedNs, 'checkpoint')
    const [objectId] = await repository.objects.writeMany([
      { data: encodeDirectory(entries, summary), options: directoryObjectOptions(this.metadataCompressor) },
    ])
    return { ...this.entry, objectId: objectId as ObjectId, summary }
  }
}
