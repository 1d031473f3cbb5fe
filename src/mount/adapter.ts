import { KuraError } from '#base/errors.ts'
import { fileKind } from '#fuse/abi.ts'
import { errno, FuseError } from '#fuse/errno.ts'
import type {
  AttributesReply,
  ByteName,
  Caller,
  DirectoryPage,
  Entry,
  FuseOperations,
  Opened,
  Reply,
  Statistics,
} from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { after } from './backup/after.ts'
import type { FileReader } from './file-reader.ts'
import { type LinkPolicy, targetInside } from './links.ts'
import { LiveTable } from './live-table.ts'
import { SmallFileAhead } from './small-file-ahead.ts'
import { StoredTable } from './stored-table.ts'
import { emptyAttributes, nodeId, type RowList, type Table } from './table.ts'
import type { Tables } from './tables.ts'
import { isVersionsId } from './versions.ts'

export interface AdapterOptions {
  /** Called on each visit of a level that changes; a promise is waited for. */
  readonly onLiveVisit: () => Promise<void> | undefined
  readonly links?: LinkPolicy
  /** Whose everything in the snapshots shows as, and which permissions nobody has. */
  readonly shownAs?: ShownAs | undefined
  /** Told of what was answered as EIO. */
  readonly report: (what: string, error: unknown) => void
}

/** Overrides of what is stored; absent = as it is stored. */
export interface ShownAs {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Permission bits that are taken away. */
  readonly umask?: number | undefined
}

/** Longest target of a symbolic link (PATH_MAX). */
const maxLinkBytes = 4096
/** Children of an opened directory that are read ahead, and how many at a time. */
const aheadDirectories = 64
const aheadParallel = 4

interface OpenDirectory {
  readonly table: Table
  readonly rows: RowList
}

/** Snapshots as a read-only file system: the only place where the tables and the readers meet FUSE. Files are not opened: the kernel
 *  is told once that it need not ask (spec 08, 3.8), which saves two of three requests for a small file. */
export class SnapshotOperations implements FuseOperations {
  private readonly directories = new Map<number, OpenDirectory>()
  private nextHandle = 1
  private readonly attributes = emptyAttributes()
  private readonly entry = { node: 0, generation: 0, entrySeconds: 0, attributesSeconds: 0, attributes: this.attributes }

  private readonly smallFiles: SmallFileAhead

  constructor(
    private readonly tables: Tables,
    private readonly reader: FileReader,
    private readonly options: AdapterOptions,
  ) {
    this.smallFiles = new SmallFileAhead(reader)
  }

  get directoryCount(): number {
    return this.tables.directoryCount
  }

  lookup(_caller: Caller, parent: number, name: ByteName): Reply<Entry> {
    const { table, row } = this.tables.locate(parent)
    const children = this.children(table, row)
    return children instanceof Promise ? children.then((c) => this.findIn(c, name)) : this.findIn(children, name)
  }

  private findIn(table: Table, name: ByteName): Reply<Entry> {
    const waiting = table instanceof LiveTable ? this.options.onLiveVisit() : undefined
    return waiting === undefined ? this.entryOf(table, table.find(name)) : waiting.then(() => this.entryOf(table, table.find(name)))
  }

  private entryOf(table: Table, row: number): Entry {
    if (row < 0) {
      if (table instanceof LiveTable) throw new FuseError(errno.ENOENT)
      return { ...this.entry, node: 0, entrySeconds: table.cacheSeconds(0) }
    }
    this.tables.remember(table, row)
    return this.copy(table, row)
  }

  private copy(table: Table, row: number): Entry {
    return { ...this.fill(table, row), attributes: { ...this.attributes } }
  }

  /** The one entry object, filled: encoded before anyone fills it again. */
  private fill(table: Table, row: number): Entry {
    const entry = this.entry
    entry.node = nodeId(table.serial, row)
    entry.entrySeconds = entry.attributesSeconds = table.cacheSeconds(row)
    this.attributesOf(table, row)
    return entry
  }

  private attributesOf(table: Table, row: number): void {
    const { attributes } = this
    table.attributes(row, attributes)
    const { shownAs } = this.options
    if (shownAs === undefined) return
    attributes.uid = shownAs.uid ?? attributes.uid
    attributes.gid = shownAs.gid ?? attributes.gid
    attributes.mode &= ~((shownAs.umask ?? 0) & 0o777)
  }

  getattr(_caller: Caller, node: number): AttributesReply {
    const { table, row } = this.tables.locate(node)
    return this.copy(table, row)
  }

  forget(node: number, count: number): void {
    this.tables.forget(node, count)
  }

  readlink(_caller: Caller, node: number): Reply<Uint8Array> {
    const { table, row } = this.tables.locate(node)
    const target = table.target(row)
    if (target.kind !== 'link') throw new FuseError(errno.EINVAL)
    if (target.text !== undefined) return target.text
    if (target.objectId === '') throw this.broken('a symbolic link', new FuseError(errno.EIO, 'it has no object'))
    const reply = this.guard(`symbolic link ${target.objectId}`, this.reader.read(target.objectId, 0, maxLinkBytes))
    return this.options.links === 'inside' ? after(reply, (text) => this.shownInside(node, text)) : reply
  }

  private shownInside(node: number, text: Uint8Array): Uint8Array {
    const { path, table, row } = this.tables.placeOf(node)
    const source = table instanceof LiveTable ? table.sourceOf(row) : undefined
    if (source === undefined) return text
    const sourcePath = Buffer.from(source.slice(source.indexOf(':', source.indexOf('@')) + 1)).toString('latin1')
    return Buffer.from(targetInside(Buffer.from(text).toString('latin1'), path, sourcePath), 'latin1')
  }

  read(_caller: Caller, node: number, _handle: number, offset: number, size: number): Reply<Uint8Array> {
    const { table, row } = this.tables.locate(node)
    const target = table.target(row)
    if (target.kind !== 'file') throw new FuseError(errno.EISDIR)
    if (target.objectId === '') {
      if (target.sizeBytes === 0) return new Uint8Array(0)
      throw this.broken('a file', new FuseError(errno.EIO, 'its content is not in the snapshot'))
    }
    const reply = this.guard(`object ${target.objectId}`, this.reader.read(target.objectId, offset, size))
    if (offset === 0 && table instanceof StoredTable) this.smallFiles.visited(table, row)
    return reply
  }

  /** What `user.kura.NAME` says of a file or folder of a snapshot (spec 08, 4.7): object, hash, path in the snapshot, source. */
  attributeOf(node: number, name: string): Uint8Array | undefined {
    const { objectId } = this.tables.locate(node).table.target(this.tables.locate(node).row)
    if (objectId === '' || isVersionsId(objectId)) return undefined
    if (name === 'object') return Buffer.from(objectId)
    if (name === 'hash') return Buffer.from(objectId.replace(/^I*[DZ]?[g-z]?/, ''))
    const { path, table, row } = this.tables.placeOf(node)
    if (table instanceof LiveTable && table.isMerged(row)) return undefined
    if (name === 'path') return Buffer.from(path, 'latin1')
    const source = table instanceof LiveTable ? table.sourceOf(row) : undefined
    return name === 'source' && source !== undefined ? Buffer.from(source) : undefined
  }

  /** The object behind a file: what copy_file_range out of a snapshot shares. */
  objectOf(node: number): { readonly objectId: ObjectId; readonly sizeBytes: number } | undefined {
    const { table, row } = this.tables.locate(node)
    const target = table.target(row)
    if (target.kind !== 'file' || target.objectId === '') return undefined
    return { objectId: target.objectId, sizeBytes: target.sizeBytes }
  }

  opendir(_caller: Caller, node: number): Reply<Opened> {
    const { table, row } = this.tables.locate(node)
    const children = this.children(table, row)
    return children instanceof Promise ? children.then((c) => this.openListing(c)) : this.openListing(children)
  }

  private openListing(table: Table): Reply<Opened> {
    const waiting = table instanceof LiveTable ? this.options.onLiveVisit() : undefined
    return waiting === undefined ? this.addListing(table) : waiting.then(() => this.addListing(table))
  }

  private addListing(table: Table): Opened {
    const handle = this.nextHandle++
    this.directories.set(handle, { table, rows: table.rows })
    this.tables.hold(table)
    if (!(table instanceof StoredTable)) return { handle }
    void this.readBelow(table)
    return { handle, keepCache: true, cacheListing: true }
  }

  /** Whoever lists a directory is likely to go down: its first sub-directories are read ahead. */
  private async readBelow(table: StoredTable): Promise<void> {
    const rows = table.subdirectoryRows.slice(0, aheadDirectories).filter((row) => !this.tables.isLoaded(table, row))
    const worker = async (): Promise<void> => {
      for (let row = rows.shift(); row !== undefined; row = rows.shift()) await this.tables.prefetch(table, row)
    }
    await Promise.all(Array.from({ length: aheadParallel }, worker))
  }

  readdir(_caller: Caller, _node: number, handle: number, offset: number, page: DirectoryPage): void {
    this.list(handle, offset, page, (table, row, cookie) => {
      table.attributes(row, this.attributes)
      return page.add(table.nameOf(row), cookie, this.attributes.inode, this.attributes.mode & fileKind.mask)
    })
  }

  readdirplus(_caller: Caller, _node: number, handle: number, offset: number, page: DirectoryPage): void {
    this.list(handle, offset, page, (table, row, cookie) => {
      if (!page.addEntry(table.nameOf(row), cookie, this.fill(table, row))) return false
      this.tables.remember(table, row)
      return true
    })
  }

  /** Cookies: 1 behind '.', 2 behind '..', 2 + n behind the n-th row. */
  private list(handle: number, offset: number, page: DirectoryPage, add: (table: Table, row: number, cookie: number) => boolean): void {
    const open = this.directories.get(handle)
    if (open === undefined) throw new FuseError(errno.EBADF)
    const { table, rows } = open
    if (offset < 1 && !page.add('.', 1, table.inode, fileKind.directory)) return
    if (offset < 2 && !page.add('..', 2, table.parentInode, fileKind.directory)) return
    for (let i = Math.max(offset - 2, 0); i < rows.length; i++) if (!add(table, rows.at(i), i + 3)) return
  }

  releasedir(_node: number, handle: number): void {
    const open = this.directories.get(handle)
    if (open === undefined) return
    this.directories.delete(handle)
    this.tables.release(open.table)
  }

  /** Nothing can be stored here. */
  statfs(): Statistics {
    return { blocks: 0, freeBlocks: 0, availableBlocks: 0, files: 0, freeFiles: 0, blockBytes: 4096, nameBytes: 255 }
  }

  private children(table: Table, row: number): Reply<Table> {
    const children = this.tables.childrenOf(table, row)
    if (!(children instanceof Promise)) return children
    return children.catch((error: unknown) => {
      throw this.broken('a directory', error)
    })
  }

  private guard(what: string, reply: Reply<Uint8Array>): Reply<Uint8Array> {
    if (!(reply instanceof Promise)) return reply
    return reply.catch((error: unknown) => {
      throw this.broken(what, error)
    })
  }

  /** Whatever is wrong with stored data is EIO for the caller (spec 08, 3.16); its own text goes to the report. */
  private broken(what: string, error: unknown): FuseError {
    if (error instanceof FuseError && error.errno !== errno.EIO && error.errno !== errno.ETIMEDOUT) return error
    this.options.report(what, error)
    if (error instanceof FuseError) return error
    return new FuseError(errno.EIO, error instanceof KuraError ? error.message : `${what} cannot be read`, { cause: error })
  }
}
