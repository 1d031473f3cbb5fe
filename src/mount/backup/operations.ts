import { fileKind } from '#fuse/abi.ts'
import { errno, FuseError } from '#fuse/errno.ts'
import type {
  Attributes,
  AttributesChange,
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
import type { Owner, StagedNode, Staging } from '../staging/staging.ts'
import { fail } from '../staging/transaction.ts'
import { emptyAttributes } from '../table.ts'
import { after } from './after.ts'
import { Listings } from './listings.ts'

/** How long the kernel may answer by itself: we are the only writer and all changes pass it (spec 08, 3.8), so it need not ask again. Only the
 *  names in the root, and the root's own times, may change by another name: the desktop's trash is reached from the mount's root too. */
const cacheSeconds = 86_400
const rootCacheSeconds = 60
const blockBytes = 4096
const maxNameBytes = 255
/** Nodes that statfs says are left; nothing limits them but memory. */
const nodeLimit = 2 ** 30
/** open(2) flags (asm-generic/fcntl.h, the same on x86-64 and arm64). */
const openFlag = { accessMode: 3, exclusive: 0o200, truncate: 0o1000 } as const
/** Handles say only whether the file was opened for writing; all else is in the node. */
const readingHandle = 0
const writingHandle = 1

const negativeEntry: Entry = {
  node: 0,
  generation: 0,
  entrySeconds: cacheSeconds,
  attributesSeconds: 0,
  attributes: emptyAttributes(),
}
const negativeEntryInRoot: Entry = { ...negativeEntry, entrySeconds: rootCacheSeconds }

const isWriting = (flags: number): boolean => (flags & openFlag.accessMode) !== 0
const ownerOf = ({ uid, gid }: Caller): Owner => ({ uid, gid })

/** One overlay as a file system. Permission bits are checked by the kernel (`default_permissions`), locks are kept there. */
export class BackupOperations implements FuseOperations {
  private readonly listings: Listings

  constructor(
    readonly staging: Staging,
    /** Inode number of the directory above the root. */
    parentInode: number,
  ) {
    this.listings = new Listings(staging, parentInode)
  }

  get root(): StagedNode {
    return this.staging.root
  }

  lookup(_caller: Caller, parent: number, name: ByteName): Reply<Entry> {
    if (name.length > maxNameBytes) throw new FuseError(errno.ENAMETOOLONG)
    return after(this.staging.lookup(parent, name), (node) => (node === undefined ? this.negative(parent) : this.known(node, parent)))
  }

  private negative(parent: number): Entry {
    return parent === this.root ? negativeEntryInRoot : negativeEntry
  }

  /** An entry for the kernel, counted. */
  known(node: StagedNode, parent?: number): Entry {
    this.staging.remember(node)
    const entrySeconds = parent === this.root ? rootCacheSeconds : cacheSeconds
    return { node, generation: 0, entrySeconds, attributesSeconds: this.secondsOf(node), attributes: this.attributesOf(node) }
  }

  private secondsOf(node: StagedNode): number {
    return node === this.root ? rootCacheSeconds : cacheSeconds
  }

  private attributesOf(node: StagedNode): Attributes {
    const attributes = emptyAttributes()
    this.staging.attributes(node, attributes)
    return attributes
  }

  getattr(_caller: Caller, node: number): AttributesReply {
    return { attributesSeconds: this.secondsOf(node), attributes: this.attributesOf(node) }
  }

  setattr(caller: Caller, node: number, change: AttributesChange): Reply<AttributesReply> {
    return after(this.staging.setAttributes(node, change), () => this.getattr(caller, node))
  }

  forget(node: number, count: number): void {
    this.staging.forget(node, count)
  }

  readlink(_caller: Caller, node: number): Reply<Uint8Array> {
    return this.staging.readLink(node)
  }

  open(_caller: Caller, node: number, flags: number, dropSetIds = false): Reply<Opened> {
    if ((flags & openFlag.truncate) === 0) return this.opened(node, isWriting(flags))
    const change = { sizeBytes: 0, ...(dropSetIds && { dropSetIds }) }
    return after(this.staging.setAttributes(node, change), () => this.opened(node, isWriting(flags)))
  }

  /** Nothing is left to do at close: data and records are written when write(2) returns (spec 08, 4.6). */
  private opened(node: StagedNode, writing: boolean): Opened {
    this.staging.opened(node, writing)
    return { handle: writing ? writingHandle : readingHandle, keepCache: true, noFlush: true }
  }

  release(node: number, handle: number): void {
    this.staging.closed(node, handle === writingHandle)
  }

  read(_caller: Caller, node: number, _handle: number, offset: number, size: number): Reply<Uint8Array> {
    return this.staging.read(node, offset, size)
  }

  write(
    _caller: Caller,
    node: number,
    _handle: number,
    offset: number,
    data: Uint8Array,
    _fromPageCache: boolean,
    dropSetIds = false,
  ): Reply<number> {
    return after(this.staging.write(node, offset, data, dropSetIds), () => data.length)
  }

  create(caller: Caller, parent: number, name: ByteName, flags: number, mode: number): Reply<readonly [Entry, Opened]> {
    try {
      const made = after(this.makeFile(caller, parent, name, mode), (entry) => this.created(entry, flags))
      return made instanceof Promise ? made.catch((error: unknown) => this.openExisting(error, caller, parent, name, flags)) : made
    } catch (error) {
      return this.openExisting(error, caller, parent, name, flags)
    }
  }

  private makeFile(caller: Caller, parent: number, name: ByteName, mode: number): Reply<Entry> {
    const kind = (mode & ~fileKind.mask) | fileKind.regular
    return after(this.staging.make(parent, name, kind, ownerOf(caller)), (node) => this.known(node, parent))
  }

  private created(entry: Entry, flags: number): readonly [Entry, Opened] {
    return [entry, this.opened(entry.node, isWriting(flags))]
  }

  /** The kernel took the name for free, but it is not: as open(2) does without O_EXCL. */
  private openExisting(error: unknown, caller: Caller, parent: number, name: ByteName, flags: number): Reply<readonly [Entry, Opened]> {
    if (!(error instanceof FuseError) || error.errno !== errno.EEXIST || (flags & openFlag.exclusive) !== 0) throw error
    return after(this.staging.lookup(parent, name), (node) => {
      if (node === undefined) throw error
      const entry = this.known(node, parent)
      return after(this.open(caller, node, flags), (opened) => [entry, opened] as const)
    })
  }

  tmpfile(caller: Caller, parent: number, flags: number, mode: number): Reply<readonly [Entry, Opened]> {
    const kind = (mode & ~fileKind.mask) | fileKind.regular
    return after(this.staging.makeUnnamed(parent, kind, ownerOf(caller)), (node) => this.created(this.known(node), flags))
  }

  mknod(caller: Caller, parent: number, name: ByteName, mode: number): Reply<Entry> {
    return after(this.staging.make(parent, name, mode, ownerOf(caller)), (node) => this.known(node, parent))
  }

  mkdir(caller: Caller, parent: number, name: ByteName, mode: number): Reply<Entry> {
    return this.mknod(caller, parent, name, (mode & ~fileKind.mask) | fileKind.directory)
  }

  symlink(caller: Caller, parent: number, name: ByteName, target: Uint8Array): Reply<Entry> {
    return after(this.staging.makeLink(parent, name, Uint8Array.from(target), ownerOf(caller)), (node) => this.known(node, parent))
  }

  link(_caller: Caller, node: number, parent: number, name: ByteName): Reply<Entry> {
    return after(this.staging.link(node, parent, name), () => this.known(node, parent))
  }

  unlink(_caller: Caller, parent: number, name: ByteName): Reply<void> {
    return this.staging.unlink(parent, name)
  }

  rmdir(_caller: Caller, parent: number, name: ByteName): Reply<void> {
    return this.staging.removeDirectory(parent, name)
  }

  rename(_caller: Caller, parent: number, name: ByteName, newParent: number, newName: ByteName, flags: number): Reply<void> {
    return this.staging.rename(parent, name, newParent, newName, flags)
  }

  opendir(_caller: Caller, node: number): Opened {
    return { handle: this.listings.open(node), keepCache: true, cacheListing: true }
  }

  readdir(_caller: Caller, _node: number, handle: number, offset: number, page: DirectoryPage): Reply<void> {
    return this.listings.fill(handle, offset, page)
  }

  readdirplus(_caller: Caller, directory: number, handle: number, offset: number, page: DirectoryPage): Reply<void> {
    return this.listings.fillPlus(handle, offset, page, (node, add) => {
      const entry = this.known(node, directory)
      if (add(entry)) return true
      this.staging.forget(node, 1)
      return false
    })
  }

  releasedir(_node: number, handle: number): void {
    this.listings.close(handle)
  }

  /** What file managers check before they copy: the spool's limit and what is left of it (spec 08, 4.9). */
  statfs(): Statistics {
    const { spoolLimitBytes, spoolUsedBytes, dirtyNodes } = this.staging.usage()
    const blocks = Math.floor(spoolLimitBytes / blockBytes)
    const left = Math.max(0, Math.floor((spoolLimitBytes - spoolUsedBytes) / blockBytes))
    const freeFiles = Math.max(0, nodeLimit - dirtyNodes)
    return { blocks, freeBlocks: left, availableBlocks: left, files: nodeLimit, freeFiles, blockBytes, nameBytes: maxNameBytes }
  }

  getxattr(_caller: Caller, node: number, name: ByteName): Uint8Array {
    return this.staging.getXattr(node, name) ?? fail(errno.ENODATA)
  }

  listxattr(_caller: Caller, node: number): readonly ByteName[] {
    return this.staging.listXattrs(node)
  }

  setxattr(_caller: Caller, node: number, name: ByteName, value: Uint8Array, flags: number): Reply<void> {
    return this.staging.setXattr(node, name, Uint8Array.from(value), flags)
  }

  removexattr(_caller: Caller, node: number, name: ByteName): Reply<void> {
    return this.staging.removeXattr(node, name)
  }

  fsync(_caller: Caller, node: number): Promise<void> {
    return this.staging.sync(node)
  }

  fsyncdir(_caller: Caller, node: number): Promise<void> {
    return this.staging.sync(node)
  }

  /** Answering with an error other than ENOSYS lets glibc fall back to writing; modes are those of spec 08, 3.10. */
  fallocate(_caller: Caller, node: number, _handle: number, offset: number, length: number, mode: number): Reply<void> {
    if (mode !== 0 && mode !== 1 && mode !== 3) throw new FuseError(errno.EOPNOTSUPP)
    return this.staging.allocate(node, offset, length, mode)
  }

  lseek(_caller: Caller, node: number, _handle: number, offset: number, whence: number): Reply<number> {
    return this.staging.seek(node, offset, whence)
  }
}
