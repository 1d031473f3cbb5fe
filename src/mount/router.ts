import { fileKind } from '#fuse/abi.ts'
import { errno, FuseError } from '#fuse/errno.ts'
import {
  type AttributesChange,
  type AttributesReply,
  type ByteName,
  type Caller,
  type DirectoryPage,
  type Entry,
  type FuseOperations,
  type Opened,
  type Reply,
  rootNode,
  type Statistics,
} from '#fuse/operations.ts'
import type { SnapshotOperations } from './adapter.ts'
import { after } from './backup/after.ts'
import type { BackupOperations } from './backup/operations.ts'
import type { Control } from './control.ts'
import { ControlFiles } from './control-files.ts'
import { firstControlNode, wingOf } from './node-ranges.ts'
import { fail } from './staging/transaction.ts'
import { emptyAttributes, setTimes } from './table.ts'

export interface Overlay {
  /** Name below `backup/`; not used when there is only one. */
  readonly name: ByteName
  readonly operations: BackupOperations
}

export interface RouterOptions {
  readonly control: Control
  readonly owner: { readonly uid: number; readonly gid: number }
  readonly nowSeconds: () => number
}

interface Extra {
  readonly name: ByteName
  readonly kind: number
  readonly entry: () => Entry
}

type Place = { readonly node: number; readonly handle: number; readonly offset: number }

const backupName = 'backup'
const controlName = '.kura'
/** Node of `backup/` when it holds several overlays. */
const groupNode = firstControlNode
/** Cookies of names that the mount adds to a listing; those of the listing itself stay far below. */
const firstExtraCookie = 2 ** 52
const writeAccess = 3
const truncates = 0o1000
const ownAttribute = 'user.kura.'
/** FreeDesktop.org trash specification 1.0: `.Trash` and `.Trash-UID` in the top directory. */
const trashName = /^\.Trash(?:-\d+)?$/

/** A writable mount: snapshots, the overlays under `backup`, and the control files of `.kura` as one file system (spec 08, 1.3). */
export class Router implements FuseOperations {
  private readonly controlFiles: ControlFiles
  /** Node of `.kura`, which is in the snapshots' wing. */
  private controlNode: number | undefined
  /** Open listings of the root and of `.kura`: the snapshots' handle of each, and what is added. */
  private readonly extended = new Map<number, readonly Extra[]>()

  constructor(
    private readonly snapshots: SnapshotOperations,
    private readonly overlays: readonly Overlay[],
    private readonly options: RouterOptions,
  ) {
    this.controlFiles = new ControlFiles(options.control, options.owner, options.nowSeconds)
  }

  /** The overlay of a node; undefined for the others. */
  private overlay(node: number): BackupOperations | undefined {
    const wing = wingOf(node)
    return wing < 0 ? undefined : this.overlays[wing]?.operations
  }

  /** For what changes something: EROFS in snapshots, ENOENT's like for what the mount itself shows. */
  private writable(node: number): BackupOperations {
    const overlay = this.overlay(node)
    if (overlay === undefined) throw new FuseError(errno.EROFS)
    return overlay
  }

  /** Where a name of a directory really is: the desktop's trash, which must be at the root of a mount, is kept in the overlay. With several
   *  overlays there is none, since nothing can be moved from one to another. */
  private home(parent: number, name: ByteName): number {
    const [only] = this.overlays
    return parent === rootNode && this.overlays.length === 1 && only !== undefined && trashName.test(name) ? only.operations.root : parent
  }

  private isOwn(node: number): boolean {
    return wingOf(node) === -2
  }

  lookup(caller: Caller, parent: number, name: ByteName): Reply<Entry> {
    const home = this.home(parent, name)
    // It has a second name in `backup/`: what is known of one is not kept for long.
    if (home !== parent) return after(this.writable(home).lookup(caller, home, name), (entry) => ({ ...entry, entrySeconds: 0 }))
    const overlay = this.overlay(parent)
    if (overlay !== undefined) return overlay.lookup(caller, parent, name)
    const extra = this.extras(parent).find((e) => e.name === name)
    if (extra !== undefined) return extra.entry()
    if (this.isOwn(parent)) throw new FuseError(errno.ENOENT)
    const found = this.snapshots.lookup(caller, parent, name)
    if (parent !== rootNode || name !== controlName) return found
    return after(found, (entry) => {
      this.controlNode = entry.node
      return entry
    })
  }

  /** What the mount adds to a directory. */
  private extras(directory: number): readonly Extra[] {
    if (directory === rootNode) return [this.backupExtra()]
    if (directory === groupNode) return this.overlays.map(overlayExtra)
    if (directory !== this.controlNode) return []
    return this.controlFiles.names.map((name) => ({
      name,
      kind: fileKind.regular,
      entry: () => this.controlFiles.entry(this.controlFiles.nodeOf(name) as number),
    }))
  }

  private backupExtra(): Extra {
    const [only] = this.overlays
    if (this.overlays.length === 1 && only !== undefined) return { ...overlayExtra(only), name: backupName }
    return { name: backupName, kind: fileKind.directory, entry: () => this.groupEntry() }
  }

  private groupEntry(): Entry {
    const attributes = emptyAttributes()
    attributes.inode = groupNode
    attributes.mode = fileKind.directory | 0o555
    attributes.linkCount = 2 + this.overlays.length
    attributes.uid = this.options.owner.uid
    attributes.gid = this.options.owner.gid
    setTimes(attributes, this.options.nowSeconds(), 0)
    return { node: groupNode, generation: 0, entrySeconds: 60, attributesSeconds: 60, attributes }
  }

  getattr(caller: Caller, node: number): Reply<AttributesReply> {
    const overlay = this.overlay(node)
    if (overlay !== undefined) return overlay.getattr(caller, node)
    if (node === groupNode) return this.groupEntry()
    if (this.isOwn(node)) return this.controlFiles.attributes(node)
    const reply = this.snapshots.getattr(caller, node)
    return node === rootNode ? after(reply, withOwnerWriting) : reply
  }

  forget(node: number, count: number): void {
    const overlay = this.overlay(node)
    if (overlay !== undefined) overlay.forget(node, count)
    else if (!this.isOwn(node)) this.snapshots.forget(node, count)
  }

  readlink(caller: Caller, node: number): Reply<Uint8Array> {
    return (this.overlay(node) ?? this.snapshots).readlink(caller, node)
  }

  open(caller: Caller, node: number, flags: number, dropSetIds?: boolean): Reply<Opened> {
    const overlay = this.overlay(node)
    if (overlay !== undefined) return overlay.open(caller, node, flags, dropSetIds)
    const writing = (flags & (writeAccess | truncates)) !== 0
    if (this.isOwn(node)) return this.controlFiles.open(node, writing)
    if (writing) throw new FuseError(errno.EROFS)
    return { handle: 0, keepCache: true, noFlush: true }
  }

  release(node: number, handle: number): void {
    if (this.isOwn(node)) this.controlFiles.release(handle)
    else this.overlay(node)?.release(node, handle)
  }

  read(caller: Caller, node: number, handle: number, offset: number, size: number): Reply<Uint8Array> {
    if (this.isOwn(node)) return this.controlFiles.read(node, handle, offset, size)
    return (this.overlay(node) ?? this.snapshots).read(caller, node, handle, offset, size)
  }

  opendir(caller: Caller, node: number): Reply<Opened> {
    const overlay = this.overlay(node)
    if (overlay !== undefined) return overlay.opendir(caller, node)
    if (this.isOwn(node)) return { handle: 0 }
    const extras = this.extras(node)
    return after(this.snapshots.opendir(caller, node), (opened) => {
      if (extras.length > 0) this.extended.set(opened.handle, extras)
      return opened
    })
  }

  readdir(caller: Caller, node: number, handle: number, offset: number, page: DirectoryPage): Reply<void> {
    const overlay = this.overlay(node)
    if (overlay !== undefined) return overlay.readdir(caller, node, handle, offset, page)
    this.list(caller, node, handle, offset, page, false)
  }

  readdirplus(caller: Caller, node: number, handle: number, offset: number, page: DirectoryPage): Reply<void> {
    const overlay = this.overlay(node)
    if (overlay !== undefined) return overlay.readdirplus(caller, node, handle, offset, page)
    this.list(caller, node, handle, offset, page, true)
  }

  /** The snapshots' own names first, then what is added to them. */
  private list(caller: Caller, node: number, handle: number, offset: number, page: DirectoryPage, plus: boolean): void {
    if (offset < firstExtraCookie && !this.listOwn(caller, node, handle, offset, page, plus)) return
    const extras = node === groupNode ? this.extras(groupNode) : (this.extended.get(handle) ?? [])
    for (let i = Math.max(0, offset - firstExtraCookie); i < extras.length; i++) {
      const { name, kind, entry } = extras[i] as Extra
      const cookie = firstExtraCookie + i + 1
      const { attributes } = this.peek(entry)
      // As '.' and '..' are: without a node, so that nothing is counted; who wants it looks it up.
      if (!page.add(name, cookie, attributes.inode, kind)) return
    }
  }

  private peek(entry: () => Entry): Entry {
    const made = entry()
    this.forget(made.node, 1)
    return made
  }

  /** False when the page is full. */
  private listOwn(caller: Caller, node: number, handle: number, offset: number, page: DirectoryPage, plus: boolean): boolean {
    if (node === groupNode) {
      if (offset < 1 && !page.add('.', 1, groupNode, fileKind.directory)) return false
      return offset >= 2 || page.add('..', 2, rootNode, fileKind.directory)
    }
    let isFull = false
    const noted = (added: boolean): boolean => {
      isFull ||= !added
      return added
    }
    const counted: DirectoryPage = {
      add: (...args) => noted(page.add(...args)),
      addEntry: (...args) => noted(page.addEntry(...args)),
    }
    if (plus) this.snapshots.readdirplus(caller, node, handle, offset, counted)
    else this.snapshots.readdir(caller, node, handle, offset, counted)
    return !isFull
  }

  releasedir(node: number, handle: number): void {
    const overlay = this.overlay(node)
    if (overlay !== undefined) overlay.releasedir(node, handle)
    else if (!this.isOwn(node)) {
      this.extended.delete(handle)
      this.snapshots.releasedir(node, handle)
    }
  }

  /** Of the root: what can be written below it. Qt, and so KDE's file managers, asks for the free space of a folder where it is mounted. */
  statfs(_caller: Caller, node: number): Statistics {
    const overlay = this.overlay(node)
    if (overlay !== undefined) return overlay.statfs()
    if (node !== rootNode && node !== groupNode) return this.snapshots.statfs()
    const all = this.overlays.map(({ operations }) => operations.statfs())
    return all.reduce((most, one) => (one.availableBlocks > most.availableBlocks ? one : most), this.snapshots.statfs())
  }

  getxattr(caller: Caller, node: number, name: ByteName): Reply<Uint8Array> {
    const overlay = this.overlay(node)
    if (name.startsWith(ownAttribute)) return this.ownXattr(node, name)
    if (overlay === undefined) return fail(errno.ENODATA)
    return overlay.getxattr(caller, node, name)
  }

  private ownXattr(node: number, name: ByteName): Reply<Uint8Array> {
    const overlay = this.overlay(node)
    if (overlay !== undefined && node === overlay.root)
      return after(this.options.control.getXattr(overlay.staging, name), (value) => {
        return value ?? fail(errno.ENODATA)
      })
    const short = name.slice(ownAttribute.length)
    const object = short === 'object' ? overlay?.staging.objectOf(node)?.objectId : undefined
    const value = object !== undefined ? Buffer.from(object) : this.snapshotAttribute(node, short)
    return value ?? fail(errno.ENODATA)
  }

  private snapshotAttribute(node: number, name: string): Uint8Array | undefined {
    return wingOf(node) === -1 ? this.snapshots.attributeOf(node, name) : undefined
  }

  private snapshotObject(node: number): ReturnType<SnapshotOperations['objectOf']> {
    return this.isOwn(node) ? undefined : this.snapshots.objectOf(node)
  }

  /** Ours are listed nowhere but where they are control, lest copiers pick them up (spec 08, 4.4). */
  listxattr(caller: Caller, node: number): readonly ByteName[] {
    if (node === this.controlNode) return this.options.control.xattrNames
    return this.overlay(node)?.listxattr(caller, node) ?? []
  }

  setxattr(caller: Caller, node: number, name: ByteName, value: Uint8Array, flags: number): Reply<void> {
    const overlay = this.writable(node)
    if (!name.startsWith(ownAttribute)) return overlay.setxattr(caller, node, name, value, flags)
    if (node !== overlay.root) throw new FuseError(errno.EOPNOTSUPP)
    return this.options.control.setXattr(overlay.staging, name, value)
  }

  removexattr(caller: Caller, node: number, name: ByteName): Reply<void> {
    return this.writable(node).removexattr(caller, node, name)
  }

  setattr(caller: Caller, node: number, change: AttributesChange): Reply<AttributesReply> {
    // `echo now > .kura/flush` truncates first.
    if (this.isOwn(node) && node !== groupNode) return this.controlFiles.attributes(node)
    return this.writable(node).setattr(caller, node, change)
  }

  symlink(caller: Caller, parent: number, name: ByteName, target: Uint8Array): Reply<Entry> {
    return this.writable(parent).symlink(caller, parent, name, target)
  }

  mknod(caller: Caller, parent: number, name: ByteName, mode: number): Reply<Entry> {
    return this.writable(parent).mknod(caller, parent, name, mode)
  }

  mkdir(caller: Caller, parent: number, name: ByteName, mode: number): Reply<Entry> {
    const home = this.home(parent, name)
    return this.writable(home).mkdir(caller, home, name, mode)
  }

  unlink(caller: Caller, parent: number, name: ByteName): Reply<void> {
    return this.writable(parent).unlink(caller, parent, name)
  }

  rmdir(caller: Caller, parent: number, name: ByteName): Reply<void> {
    const home = this.home(parent, name)
    return this.writable(home).rmdir(caller, home, name)
  }

  rename(caller: Caller, parent: number, name: ByteName, newParent: number, newName: ByteName, flags: number): Reply<void> {
    const [from, to] = [this.home(parent, name), this.home(newParent, newName)]
    if (wingOf(from) !== wingOf(to)) throw new FuseError(errno.EXDEV)
    return this.writable(from).rename(caller, from, name, to, newName, flags)
  }

  link(caller: Caller, node: number, newParent: number, newName: ByteName): Reply<Entry> {
    if (wingOf(node) !== wingOf(newParent)) throw new FuseError(errno.EXDEV)
    return this.writable(newParent).link(caller, node, newParent, newName)
  }

  create(caller: Caller, parent: number, name: ByteName, flags: number, mode: number): Reply<readonly [Entry, Opened]> {
    return this.writable(parent).create(caller, parent, name, flags, mode)
  }

  tmpfile(caller: Caller, parent: number, flags: number, mode: number): Reply<readonly [Entry, Opened]> {
    return this.writable(parent).tmpfile(caller, parent, flags, mode)
  }

  write(
    caller: Caller,
    node: number,
    handle: number,
    offset: number,
    data: Uint8Array,
    fromPageCache: boolean,
    dropSetIds?: boolean,
  ): Reply<number> {
    if (this.isOwn(node)) return this.controlFiles.write(node, data)
    return this.writable(node).write(caller, node, handle, offset, data, fromPageCache, dropSetIds)
  }

  fsync(caller: Caller, node: number): Reply<void> {
    if (this.isOwn(node)) return this.controlFiles.sync(node)
    return this.overlay(node)?.fsync(caller, node)
  }

  fsyncdir(caller: Caller, node: number): Reply<void> {
    return this.overlay(node)?.fsyncdir(caller, node)
  }

  fallocate(caller: Caller, node: number, handle: number, offset: number, length: number, mode: number): Reply<void> {
    return this.writable(node).fallocate(caller, node, handle, offset, length, mode)
  }

  lseek(caller: Caller, node: number, handle: number, offset: number, whence: number): Reply<number> {
    const overlay = this.overlay(node)
    if (overlay !== undefined) return overlay.lseek(caller, node, handle, offset, whence)
    const sizeBytes = this.snapshotObject(node)?.sizeBytes ?? 0
    if (offset >= sizeBytes) throw new FuseError(errno.ENXIO)
    return whence === 3 ? offset : sizeBytes
  }

  /** Shares what is copied instead of reading it; where that cannot be, the kernel copies by reading (EXDEV). */
  copyFileRange(_caller: Caller, from: Place, to: Place, length: number): Reply<number> {
    const { staging } = this.writable(to.node)
    if (wingOf(from.node) === wingOf(to.node)) return staging.copyRange(from.node, from.offset, to.node, to.offset, length)
    const other = this.overlay(from.node)
    const object = other === undefined ? this.snapshotObject(from.node) : other.staging.objectOf(from.node)
    if (object === undefined) throw new FuseError(errno.EXDEV)
    return staging.copyObject(object.objectId, object.sizeBytes, from.offset, to.node, to.offset, length)
  }
}

/** The owner may make the trash at the root. */
const withOwnerWriting = (reply: AttributesReply): AttributesReply => ({
  ...reply,
  attributes: { ...reply.attributes, mode: reply.attributes.mode | 0o200 },
})

const overlayExtra = ({ name, operations }: Overlay): Extra => ({
  name,
  kind: fileKind.directory,
  entry: () => operations.known(operations.root),
})
