import type { ObjectId, ObjectWriterOptions } from '#repo/object/object.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import { childPath, type LocalEntry } from '#snapshot/tree/local-tree.ts'
import type { UploadContext } from './context.ts'
import type { DirectoryInProgress } from './in-progress.ts'
import { entryFor, fileOptions, isSmall } from './leaf.ts'
import type { SmallFile } from './small-files.ts'

/** Small files of one directory that are not done yet. */
export class WaitingFiles {
  #count = 0
  #resolve: (() => void) | undefined

  constructor(
    readonly context: UploadContext,
    readonly folder: { readonly path: string | Buffer; readonly progress: DirectoryInProgress },
    /** Uploads by itself a file whose reading was announced. */
    readonly takeCare: (local: LocalEntry, relative: string, policy: PolicyTree) => void,
  ) {}

  /** Puts the file among those that are read in batches; false when it is none of them. */
  add(local: LocalEntry, relative: string, policy: PolicyTree): boolean {
    if (local.type !== 'f' || !isSmall(this.context, local, policy)) return false
    this.#count++
    this.context.smallBatches.add(new WaitingFile(this, local, relative, policy))
    return true
  }

  done(): void {
    if (--this.#count === 0) this.#resolve?.()
  }

  /** Resolves when all are done. No more may be added then. */
  async settled(): Promise<void> {
    if (this.#count > 0)
      await new Promise<void>((resolve) => {
        this.#resolve = resolve
      })
  }
}

class WaitingFile implements SmallFile {
  constructor(
    readonly all: WaitingFiles,
    readonly local: LocalEntry,
    readonly relative: string,
    readonly policy: PolicyTree,
  ) {}

  get path(): string | Buffer {
    return childPath(this.all.folder.path, this.local)
  }

  get sizeBytes(): number {
    return this.local.sizeBytes
  }

  get options(): ObjectWriterOptions {
    return fileOptions(this.policy, this.local)
  }

  begin(): boolean {
    const { stop, counters, observer } = this.all.context
    if (stop.stopped) return false
    counters.nonCachedFileCount++
    observer.hashing?.(this.relative)
    return true
  }

  read(sizeBytes: number): boolean {
    const { stop } = this.all.context
    if (stop.stopped) return false
    // Counted as it is handed over: a limit must hold for what waits to be stored too.
    stop.count(sizeBytes)
    return true
  }

  stored(objectId: ObjectId): void {
    const { counters, observer } = this.all.context
    const { sizeBytes } = this.local
    counters.fileCount++
    counters.totalBytes += sizeBytes
    observer.hashedBytes?.(sizeBytes)
    observer.hashed?.(this.relative, sizeBytes)
    this.all.folder.progress.finished.push({ ...entryFor(this.local), objectId })
    this.all.done()
  }

  takeCare(): void {
    this.all.takeCare(this.local, this.relative, this.policy)
    this.all.done()
  }

  dropped(): void {
    this.all.done()
  }
}
