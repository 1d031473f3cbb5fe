import type { DirectoryEntry, DirectorySummary } from '#snapshot/model/directory-entry.ts'
import type { LeafTotals } from '#snapshot/tree/folder-scan.ts'

export interface EntryFailure {
  readonly path: string
  readonly error: string
}

/** Adds up what a directory's summary says of its entries (spec 07, 7.1.7; spec 03, 5.2). */
export class SummaryBuilder {
  #totalBytes = 0
  #files = 0
  #symlinks = 0
  #directories = 1
  #maxTimeNs: bigint | undefined
  #fatal = 0
  #ignored = 0
  readonly #errors: EntryFailure[] = []

  add(entry: DirectoryEntry): void {
    this.#addTime(entry.modifiedNs)
    if (entry.type === 's') this.#symlinks++
    else if (entry.type === 'f') {
      this.#files++
      this.#totalBytes += entry.sizeBytes
    } else if (entry.type === 'd' && entry.summary) this.#addChild(entry.summary)
  }

  /** Many files and links. */
  addLeaves({ fileCount, symlinkCount, totalBytes, maxTimeNs }: LeafTotals): void {
    this.#files += fileCount
    this.#symlinks += symlinkCount
    this.#totalBytes += totalBytes
    if (maxTimeNs !== undefined) this.#addTime(maxTimeNs)
  }

  #addTime(modifiedNs: bigint): void {
    if (this.#maxTimeNs === undefined || modifiedNs > this.#maxTimeNs) this.#maxTimeNs = modifiedNs
  }

  #addChild(child: DirectorySummary): void {
    this.#totalBytes += child.totalBytes
    this.#files += child.fileCount
    this.#symlinks += child.symlinkCount
    this.#directories += child.directoryCount
    if (this.#maxTimeNs === undefined || child.maxTimeNs > this.#maxTimeNs) this.#maxTimeNs = child.maxTimeNs
    this.#fatal += child.fatalErrorCount
    this.#ignored += child.ignoredErrorCount
    for (const error of child.errors) this.#errors.push(error)
  }

  addFailure(failure: EntryFailure, ignored: boolean): void {
    if (ignored) this.#ignored++
    else this.#fatal++
    this.#errors.push(failure)
  }

  /** `ownTimeNs`: the directory's own time, used when it has no entries. */
  build(ownTimeNs: bigint, incomplete: string | undefined): DirectorySummary {
    const epochOrLater = this.#maxTimeNs === undefined ? ownTimeNs : this.#maxTimeNs < 0n ? 0n : this.#maxTimeNs
    const errors = [...this.#errors].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
    return {
      totalBytes: this.#totalBytes,
      fileCount: this.#files,
      symlinkCount: this.#symlinks,
      directoryCount: this.#directories,
      maxTimeNs: epochOrLater,
      ...(incomplete ? { incomplete } : {}),
      fatalErrorCount: this.#fatal,
      ignoredErrorCount: this.#ignored,
      errors,
    }
  }
}
