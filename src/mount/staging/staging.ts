import type { AttributesChange, ByteName, Reply } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { MutableAttributes } from '../table.ts'

/** What `backup/` stands on: the tree of the newest snapshot (lower), read only, by object ID. Source: spec 08, 4.2. */
export interface LowerTree {
  /** Errors: those of the repository. */
  readDirectory(id: ObjectId): Promise<readonly DirectoryEntry[]>
  /** Fewer bytes only at the end of the object. */
  read(id: ObjectId, offset: number, size: number): Reply<Uint8Array>
}

/** Number of a file, directory or link in `backup/`: its FUSE node and, the same, its inode number. Given once, never again
 *  (spec 08, 4.2: from 2^32 up). An entry of the lower tree gets one when it is first visited and keeps it when it is changed. */
export type StagedNode = number

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** One name in a listing. `kind` = S_IFMT part of the mode. */
export interface ListedEntry {
  readonly name: ByteName
  readonly kind: number
}

/** The writable overlay of one source: lower tree + changes, kept in a journal and in spool files, so that whatever was acknowledged
 *  comes back after a crash (spec 08, 4.2-4.6). Every operation that changes something is in the journal before it returns.
 *  All throw FuseError with the errno that the system call shows (spec 08, 4.3): ENOENT, EEXIST, ENOTEMPTY, ENOTDIR, EISDIR, EXDEV, EILSEQ,
 *  ENAMETOOLONG, EFBIG, ENOSPC (spool full), EMLINK, EPERM, EIO (lower cannot be read). Permission bits are the kernel's business
 *  (`default_permissions`); the rules on set-id bits, setgid directories and times are kept here. */
export interface Staging {
  readonly root: StagedNode
  readonly lower: { readonly snapshotId: string; readonly rootObject: ObjectId } | undefined

  lookup(parent: StagedNode, name: ByteName): Reply<StagedNode | undefined>
  attributes(node: StagedNode, into: MutableAttributes): void
  /** Stable while a listing is open: later changes do not move it. Without '.' and '..'. */
  list(directory: StagedNode): Reply<readonly ListedEntry[]>
  parentOf(directory: StagedNode): StagedNode
  readLink(node: StagedNode): Reply<Uint8Array>
  read(node: StagedNode, offset: number, size: number): Reply<Uint8Array>
  /** Object that holds exactly the node's content, when it is unchanged since the lower snapshot. */
  objectOf(node: StagedNode): { readonly objectId: ObjectId; readonly sizeBytes: number } | undefined

  /** Kernel's lookup counts; a node that has no name and is neither known nor open is let go, with its spool file. */
  remember(node: StagedNode): void
  forget(node: StagedNode, count: number): void
  /** Open handles; `writing` ones hold a flush back for the quiescing time. */
  opened(node: StagedNode, writing: boolean): void
  closed(node: StagedNode, writing: boolean): void

  /** `mode` with its kind: file, directory, FIFO or socket; device nodes are EPERM. */
  make(parent: StagedNode, name: ByteName, mode: number, owner: Owner): Reply<StagedNode>
  /** A file without a name (O_TMPFILE), until `link` gives it one. */
  makeUnnamed(parent: StagedNode, mode: number, owner: Owner): Reply<StagedNode>
  makeLink(parent: StagedNode, name: ByteName, target: Uint8Array, owner: Owner): Reply<StagedNode>
  link(node: StagedNode, parent: StagedNode, name: ByteName): Reply<void>
  unlink(parent: StagedNode, name: ByteName): Reply<void>
  removeDirectory(parent: StagedNode, name: ByteName): Reply<void>
  /** `flags`: 1 the target must not exist, 2 exchange. */
  rename(parent: StagedNode, name: ByteName, newParent: StagedNode, newName: ByteName, flags: number): Reply<void>
  setAttributes(node: StagedNode, change: AttributesChange): Reply<void>

  /** Takes all of `data`, or throws. `dropSetIds`: the writer may not keep set-id bits. */
  write(node: StagedNode, offset: number, data: Uint8Array, dropSetIds: boolean): Reply<void>
  /** fallocate(2): `mode` 0, 1 keep size, 3 punch hole. */
  allocate(node: StagedNode, offset: number, length: number, mode: number): Reply<void>
  /** lseek(2): `whence` 3 data, 4 hole. */
  seek(node: StagedNode, offset: number, whence: number): Reply<number>
  /** Copies a range within the overlay without copying lower bytes. Returns the bytes copied. */
  copyRange(from: StagedNode, fromOffset: number, to: StagedNode, toOffset: number, length: number): Reply<number>
  /** The same from an object of any snapshot: no data is read. */
  copyObject(objectId: ObjectId, objectBytes: number, fromOffset: number, to: StagedNode, toOffset: number, length: number): Reply<number>

  getXattr(node: StagedNode, name: ByteName): Uint8Array | undefined
  listXattrs(node: StagedNode): readonly ByteName[]
  /** EOPNOTSUPP unless extended attributes are staged (spec 08, 4.4). */
  setXattr(node: StagedNode, name: ByteName, value: Uint8Array, flags: number): Reply<void>
  removeXattr(node: StagedNode, name: ByteName): Reply<void>

  /** fsync(2) / fsyncdir(2): data, then journal, are on disk when it resolves (spec 08, 4.5). */
  sync(node: StagedNode): Promise<void>
  syncAll(): Promise<void>

  usage(): StagingUsage
  /** Told after each change, for the idle timer of the flush. */
  onChange: (() => void) | undefined
  /** Asked when the spool is full: a promise that resolves when there may be room, or undefined when nothing makes any. */
  onFull: (() => Promise<void> | undefined) | undefined
  /** One moment of the tree, kept while writers go on (spec 08, 4.8 step 1). At most one at a time. */
  freeze(): FlushPoint
  /** Ends the journal cleanly. The spool stays unless nothing is changed. */
  close(): Promise<void>
}

export interface StagingUsage {
  /** Changed since the last flush: files with changed bytes, all changed nodes, and bytes not yet in a snapshot. */
  readonly dirtyFiles: number
  readonly dirtyNodes: number
  readonly dirtyBytes: number
  readonly spoolUsedBytes: number
  readonly spoolLimitBytes: number
  readonly openWriters: number
  /** Time of the first change since the last flush and of the last change, milliseconds; undefined = clean. */
  readonly firstChangeMs: number | undefined
  readonly lastChangeMs: number | undefined
}

/** Part of a file: [offset, offset + length) is zeros, or lower bytes at `lowerOffset` of `objectId`, or bytes of the spool. */
export interface Extent {
  readonly offset: number
  readonly length: number
  readonly source: 'spool' | 'zero' | 'lower'
  readonly objectId?: ObjectId
  readonly lowerOffset?: number
}

export interface FrozenAttributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly modifiedNs: bigint
}

export type FrozenNode =
  | {
      readonly kind: 'directory'
      readonly node: StagedNode
      readonly attributes: FrozenAttributes
      /** Directory object under the changes; undefined = opaque. */
      readonly lower: ObjectId | undefined
      /** Unchanged below: `lower` and its entry stand as they are. */
      readonly changed: boolean
      /** Changed names, in no order; undefined = whiteout. Names not in it come from `lower`. A symbolic link of the lower tree that was
       *  only renamed or re-dated comes as a DirectoryEntry with its present name and attributes. */
      changes(): Iterable<readonly [ByteName, FrozenNode | DirectoryEntry | undefined]>
    }
  | {
      readonly kind: 'file'
      readonly node: StagedNode
      readonly attributes: FrozenAttributes
      readonly sizeBytes: number
      readonly extents: readonly Extent[]
      /** The object that held the file when it was first changed, undefined for a new one. */
      readonly lower: ObjectId | undefined
      /** Open for writing at the moment of the flush point. */
      readonly isBeingWritten: boolean
      /** Stands for the bytes: another one as soon as they are changed. Undefined when there are none of its own. */
      readonly contentKey: object | undefined
      /** When anything of the file was changed last, by our clock. */
      readonly changedNs: bigint
      /** Bytes of that moment, also when writers have gone on. */
      read(offset: number, size: number): Reply<Uint8Array>
    }
  | { readonly kind: 'link'; readonly node: StagedNode; readonly attributes: FrozenAttributes; readonly target: Uint8Array }
  | { readonly kind: 'special'; readonly node: StagedNode; readonly attributes: FrozenAttributes }

export interface FlushPoint {
  readonly root: FrozenNode & { readonly kind: 'directory' }
  readonly droppedXattrs: number
  /** The snapshot is durable in storage: it is the new lower, what equals it leaves the table, its spool data is dropped.
   *  `objects`: object and stored entry of each changed file and directory that is in it. */
  commit(result: {
    readonly snapshotId: string
    readonly rootObject: ObjectId
    readonly objects: ReadonlyMap<StagedNode, DirectoryEntry>
    /** Directories of which the snapshot has not all that the lower one has: they go on standing on that one, so that nothing vanishes. */
    readonly standing?: ReadonlySet<StagedNode>
  }): Promise<void>
  /** The flush failed or was given up: nothing is dropped. */
  abandon(): void
}

export interface StagingOptions {
  /** Folder of journal, lock and spool files; made if missing (0700). */
  readonly directory: string
  readonly repositoryId: string
  /** user@host:path. */
  readonly source: string
  /** Lower snapshot for a new overlay; an overlay that is found keeps its own (`rebase` excepted). */
  readonly lower: { readonly snapshotId: string; readonly rootObject: ObjectId; readonly root: DirectoryEntry } | undefined
  readonly xattrs: 'refuse' | 'stage'
  /** Encrypt the spool of a new overlay; one that is found stays as it is, and is refused when it is not encrypted but should be. */
  readonly encrypt?: boolean | undefined
  /** 32 bytes that only the repository knows; needed for encrypted spools. */
  readonly secret?: Buffer | undefined
  readonly spoolLimitBytes: number
  readonly spoolReserveBytes: number
  /** What a file may write before it gets a spool file of its own; default 256 KiB. */
  readonly smallFileBytes?: number
  /** Owner and mode of the root when there is no lower. */
  readonly owner: Owner
  readonly takeOver: boolean
  /** Added to node numbers so that several overlays share one mount. */
  readonly firstNode: StagedNode
  readonly nowNs: () => bigint
  /** Told one line for each thing that recovery found. */
  readonly warn: (line: string) => void
}
