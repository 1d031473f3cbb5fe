import { dirname } from 'node:path'
import type { SpoolFiles } from './spool-files.ts'

const maxOpen = 256

/** Open files of the spool, those used longest ago closed first; folders are made when needed. */
export class SpoolHandles {
  private readonly open = new Map<string, number>()
  private readonly folders = new Set<string>()
  /** Files whose names are not known to be on disk. */
  private readonly fresh = new Set<string>()
  /** Files of which a sync failed: the kernel may have dropped what they had to say and says so only once. */
  private readonly failed = new Set<string>()

  constructor(
    readonly files: SpoolFiles,
    private readonly directory: string,
  ) {}

  /** Throws ENOENT for a file that is not there, unless it is to be made. */
  get(path: string, make: boolean): number {
    const known = this.open.get(path)
    if (known !== undefined) {
      if (this.open.size > maxOpen / 2) {
        this.open.delete(path)
        this.open.set(path, known)
      }
      return known
    }
    if (make) {
      const folder = dirname(path)
      if (!this.folders.has(folder)) {
        this.files.makeFolder(folder)
        this.folders.add(folder)
        this.fresh.add(folder)
      }
      this.fresh.add(path)
    }
    const fd = this.files.open(path, make)
    this.open.set(path, fd)
    if (this.open.size > maxOpen) {
      const [oldest] = this.open.keys()
      if (oldest !== undefined) this.drop(oldest)
    }
    return fd
  }

  drop(path: string): void {
    const fd = this.open.get(path)
    if (fd === undefined) return
    this.open.delete(path)
    this.files.close(fd)
  }

  remove(path: string): void {
    this.drop(path)
    this.fresh.delete(path)
    this.failed.delete(path)
    this.files.remove(path)
  }

  /** Bytes and name of a file are on disk when it resolves. `rewrite` puts the bytes into the file again, after a sync that failed. */
  async sync(path: string, rewrite: () => void): Promise<void> {
    if (this.failed.has(path)) rewrite()
    const fd = this.files.open(path, false) // one of its own: the other may be closed meanwhile
    try {
      await this.files.dataSync(fd)
      this.failed.delete(path)
    } catch (error) {
      this.failed.add(path)
      throw error
    } finally {
      this.files.close(fd)
    }
    if (!this.fresh.has(path)) return
    const folder = dirname(path)
    await this.files.folderSync(folder)
    if (this.fresh.has(folder)) await this.files.folderSync(this.directory)
    this.fresh.delete(folder)
    this.fresh.delete(path)
  }

  close(): void {
    for (const fd of this.open.values()) this.files.close(fd)
    this.open.clear()
  }
}
