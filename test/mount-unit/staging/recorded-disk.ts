import { basename, dirname, join } from 'node:path'
import type { SpoolFiles } from '#mount/staging/spool-files.ts'

interface DataEvent {
  readonly kind: 'write' | 'truncate'
  readonly file: number
  readonly position: number
  readonly data: Buffer
}
interface NameEvent {
  readonly kind: 'name'
  readonly path: string
  /** 0 = removed. */
  readonly file: number
}
/** `before`: events that came before it began are on disk. */
type SyncEvent =
  | { readonly kind: 'sync'; readonly file: number; readonly before: number }
  | { readonly kind: 'folder'; readonly path: string; readonly before: number }
export type DiskEvent = DataEvent | NameEvent | SyncEvent

const failure = (code: string): Error => Object.assign(new Error(code), { code })

/** A disk in memory that keeps a record of all that was done, so that a crash at any moment can be played: with all that was written
 *  (the process ended), or without some of what was not synced (the machine stopped). */
export class RecordedDisk implements SpoolFiles {
  readonly events: DiskEvent[] = []
  private readonly names_ = new Map<string, number>()
  private readonly contents = new Map<number, Buffer>()
  private readonly descriptors = new Map<number, number>()
  private next = 1
  freeBytesNow = 1 << 30
  /** Throws to let a write or sync fail. */
  onWrite: (length: number) => void = () => undefined
  onSync: () => void = () => undefined

  open(path: string, make: boolean): number {
    let file = this.names_.get(path)
    if (file === undefined) {
      if (!make) throw failure('ENOENT')
      file = this.next++
      this.apply({ kind: 'name', path, file })
    }
    const fd = 1_000 + this.next++
    this.descriptors.set(fd, file)
    return fd
  }

  close(fd: number): void {
    if (!this.descriptors.delete(fd)) throw failure('EBADF')
  }

  private fileOf(fd: number): number {
    const file = this.descriptors.get(fd)
    if (file === undefined) throw failure('EBADF')
    return file
  }

  write(fd: number, data: Uint8Array, start: number, length: number, position: number): number {
    this.onWrite(length)
    this.apply({ kind: 'write', file: this.fileOf(fd), position, data: Buffer.from(data.subarray(start, start + length)) })
    return length
  }

  read(fd: number, into: Uint8Array, start: number, length: number, position: number): number {
    const bytes = this.contents.get(this.fileOf(fd))?.subarray(position, position + length) ?? Buffer.alloc(0)
    into.set(bytes, start)
    return bytes.length
  }

  stat(path: string): { readonly sizeBytes: number; readonly diskBytes: number } | undefined {
    const file = this.names_.get(path)
    if (file === undefined) return undefined
    const sizeBytes = this.contents.get(file)?.length ?? 0
    return { sizeBytes, diskBytes: sizeBytes }
  }

  /** As a write of zeros, which is the worst that can be read there. */
  punch(fd: number, position: number, length: number): void {
    const file = this.fileOf(fd)
    const bytes = Math.min(length, (this.contents.get(file)?.length ?? 0) - position)
    if (bytes > 0) this.apply({ kind: 'write', file, position, data: Buffer.alloc(bytes) })
  }

  truncate(fd: number, sizeBytes: number): void {
    this.apply({ kind: 'truncate', file: this.fileOf(fd), position: sizeBytes, data: Buffer.alloc(0) })
  }

  readWhole(path: string): Buffer | undefined {
    const file = this.names_.get(path)
    return file === undefined ? undefined : Buffer.from(this.contents.get(file) ?? [])
  }

  copy(from: string, to: string): void {
    const fd = this.open(to, true)
    const data = this.readWhole(from) as Buffer
    this.write(fd, data, 0, data.length, 0)
    this.close(fd)
  }

  async dataSync(fd: number): Promise<void> {
    const file = this.fileOf(fd)
    const before = this.events.length
    await new Promise((resolve) => setImmediate(resolve))
    this.onSync()
    this.events.push({ kind: 'sync', file, before })
  }

  fullSync(fd: number): void {
    this.onSync()
    this.events.push({ kind: 'sync', file: this.fileOf(fd), before: this.events.length })
  }

  rename(from: string, to: string): void {
    const file = this.names_.get(from)
    if (file === undefined) throw failure('ENOENT')
    this.apply({ kind: 'name', path: to, file })
    this.apply({ kind: 'name', path: from, file: 0 })
  }

  remove(path: string): void {
    if (this.names_.has(path)) this.apply({ kind: 'name', path, file: 0 })
  }

  makeFolder(): void {}

  syncFolder(path: string): void {
    this.events.push({ kind: 'folder', path, before: this.events.length })
  }

  async folderSync(path: string): Promise<void> {
    this.syncFolder(path)
  }

  names(path: string): string[] {
    const found = new Set<string>()
    for (const name of this.names_.keys())
      if (name.startsWith(join(path, '/'))) found.add(name.slice(path.length + 1).split('/')[0] as string)
    return [...found]
  }

  freeBytes(): number {
    return this.freeBytesNow
  }

  apply(event: DataEvent | NameEvent): void {
    this.events.push(event)
    if (event.kind === 'name') {
      if (event.file === 0) this.names_.delete(event.path)
      else this.names_.set(event.path, event.file)
      this.next = Math.max(this.next, event.file + 1)
      return
    }
    const old = this.contents.get(event.file) ?? Buffer.alloc(0)
    const size = event.kind === 'truncate' ? event.position : Math.max(old.length, event.position + event.data.length)
    const made = Buffer.alloc(size)
    old.copy(made)
    if (event.kind === 'write') event.data.copy(made, event.position)
    this.contents.set(event.file, made)
  }

  /** Changes one byte of a file, unrecorded. */
  damage(path: string, at: number): void {
    const data = this.contents.get(this.names_.get(path) as number) as Buffer
    data[at] = (data[at] as number) ^ 0x55
  }

  /** The disk after the process ended at event `count`, with `partBytes` of the write that was under way. */
  afterProcessCrash(count: number, partBytes = 0): RecordedDisk {
    const disk = new RecordedDisk()
    for (const event of this.events.slice(0, count)) if ('file' in event && event.kind !== 'sync') disk.apply(event)
    const cut = this.events[count]
    if (partBytes > 0 && cut?.kind === 'write') disk.apply({ ...cut, data: cut.data.subarray(0, partBytes) })
    return disk
  }

  /** The disk after the machine stopped at event `count`. What was not synced is there or not as `keeps` says; names of one folder in
   *  their order. */
  afterMachineCrash(count: number, keeps: () => boolean): RecordedDisk {
    const done = this.events.slice(0, count)
    const syncedData = new Map<number, number>()
    const syncedNames = new Map<string, number>()
    for (const event of done) {
      if (event.kind === 'sync') syncedData.set(event.file, Math.max(event.before, syncedData.get(event.file) ?? 0))
      if (event.kind === 'folder') syncedNames.set(event.path, event.before)
    }
    const disk = new RecordedDisk()
    const ended = new Set<string>()
    for (const [index, event] of done.entries()) {
      if (event.kind === 'name') {
        const folder = dirname(event.path)
        const isDurable = index < (syncedNames.get(folder) ?? 0)
        if (!isDurable && !ended.has(folder) && !keeps()) ended.add(folder)
        if (isDurable || !ended.has(folder)) disk.apply(event)
      } else if (event.kind === 'write' || event.kind === 'truncate') {
        if (index < (syncedData.get(event.file) ?? 0) || keeps()) disk.apply(event)
      }
    }
    return disk
  }

  describe(): string[] {
    return [...this.names_.keys()].map((path) => `${basename(dirname(path))}/${basename(path)}`)
  }
}
