import { join } from 'node:path'
import { errno, FuseError } from '#fuse/errno.ts'
import { type SpoolFiles, writeFully } from './spool-files.ts'

interface Open {
  readonly path: string
  readonly fd: number
}

const maxOpen = 256
/** How far the free space of the disk is trusted before it is asked for again. */
const recheckBytes = 64 * 1024 * 1024

/** The files with changed bytes: `<2 hex>/<number>[.<generation>]`, sparse, same offsets as the file they belong to (spec 08, 4.2). */
export class Spool {
  private readonly open = new Map<string, Open>()
  private readonly folders = new Set<string>()
  private limit: number
  private sinceCheck = Number.POSITIVE_INFINITY
  usedBytes = 0
  /** Removed once the journal no longer needs them. */
  private readonly doomed: string[] = []

  constructor(
    private readonly files: SpoolFiles,
    private readonly directory: string,
    private readonly firstNode: number,
    private readonly limitBytes: number,
    private readonly reserveBytes: number,
  ) {
    this.limit = limitBytes
  }

  pathOf(node: number, generation: number): string {
    const number = node - this.firstNode
    const name = generation === 0 ? `${number}` : `${number}.${generation}`
    return join(this.directory, (number & 0xff).toString(16).padStart(2, '0'), name)
  }

  get limitNow(): number {
    return this.limit
  }

  /** Throws ENOSPC when that many more bytes do not fit. */
  admit(bytes: number): void {
    this.sinceCheck += bytes
    if (this.sinceCheck > recheckBytes) {
      this.sinceCheck = 0
      this.limit = Math.min(this.limitBytes, this.usedBytes + Math.max(0, this.files.freeBytes(this.directory) - this.reserveBytes))
    }
    if (this.usedBytes + bytes > this.limit) {
      this.sinceCheck = Number.POSITIVE_INFINITY // there may be room again next time
      throw new FuseError(errno.ENOSPC, 'the spool is full; flush it or give it more room')
    }
  }

  isOpen(node: number, generation: number): boolean {
    return this.open.has(this.pathOf(node, generation))
  }

  write(node: number, generation: number, data: Uint8Array, offset: number): void {
    writeFully(this.files, this.handle(node, generation, true), data, offset)
  }

  /** Fills `into`; bytes that are not in the file are zeros. */
  read(node: number, generation: number, into: Uint8Array, offset: number): void {
    const fd = this.handle(node, generation, true)
    for (let done = 0; done < into.length; ) {
      const got = this.files.read(fd, into, done, into.length - done, offset + done)
      if (got <= 0) {
        into.fill(0, done)
        return
      }
      done += got
    }
  }

  async sync(node: number, generation: number): Promise<void> {
    this.handle(node, generation, true)
    const fd = this.files.open(this.pathOf(node, generation), true) // one of its own: the other may be closed meanwhile
    try {
      await this.files.dataSync(fd)
    } finally {
      this.files.close(fd)
    }
  }

  /** To be removed after the next sync of the journal. */
  doom(node: number, generation: number): void {
    this.doomed.push(this.pathOf(node, generation))
  }

  /** A flush point reads them: nothing is removed. */
  isHeld = false

  takeDoomed(): string[] {
    return this.isHeld ? [] : this.doomed.splice(0)
  }

  remove(paths: readonly string[]): void {
    for (const path of paths) {
      const known = this.open.get(path)
      if (known !== undefined) {
        this.open.delete(path)
        this.files.close(known.fd)
      }
      this.files.remove(path)
    }
  }

  close(): void {
    for (const { fd } of this.open.values()) this.files.close(fd)
    this.open.clear()
  }

  private handle(node: number, generation: number, make: boolean): number {
    const path = this.pathOf(node, generation)
    const known = this.open.get(path)
    if (known !== undefined) return known.fd
    const folder = join(path, '..')
    if (!this.folders.has(folder)) {
      this.files.makeFolder(folder)
      this.folders.add(folder)
    }
    const fd = this.files.open(path, make)
    this.open.set(path, { path, fd })
    if (this.open.size > maxOpen) {
      const [oldest] = this.open.values()
      if (oldest !== undefined && oldest.fd !== fd) {
        this.open.delete(oldest.path)
        this.files.close(oldest.fd)
      }
    }
    return fd
  }
}
