import type { VfsFlag } from './vfs-flags.ts'

/** Operations of a file system by node IDs, as a driver calls them. An operation returns its reply or throws once (FuseError or a
 *  system error; anything else is EIO). IDs, offsets and sizes are safe integers. Operations that a file system leaves out are
 *  refused by the driver: EROFS for the writing ones of a read-only mount, else ENOSYS.
 *  Sources: spec 08 sections 3.3-3.8; the public header fuse_kernel.h, protocol 7.x. */
export type Reply<T> = T | Promise<T>

/** A file name as bytes: one character per byte (latin1). Never contains '/' or NUL. */
export type ByteName = string

export const rootNode = 1

/** Who asks. */
export interface Caller {
  readonly uid: number
  readonly gid: number
  /** 0 = outside our process namespace. */
  readonly pid: number
  /** Fires when the caller was interrupted by a signal. Made when first asked for. */
  readonly signal: AbortSignal
}

/** What stat(2) shows. Times are seconds (before 1970: negative) and nanoseconds 0..999999999. */
export interface Attributes {
  readonly inode: number
  readonly sizeBytes: number
  /** Units of 512 bytes. */
  readonly blocks: number
  readonly accessedSeconds: number
  readonly accessedNs: number
  readonly modifiedSeconds: number
  readonly modifiedNs: number
  readonly changedSeconds: number
  readonly changedNs: number
  /** Kind and permissions (S_IFMT | 07777). */
  readonly mode: number
  readonly linkCount: number
  readonly uid: number
  readonly gid: number
  readonly device: number
  readonly blockBytes: number
}

/** A name's object. Node 0 is a negative entry that may be cached. Each entry handed out (lookup, readdirplus, the creating
 *  operations) adds one to the node's lookup count, which `forget` takes back. */
export interface Entry {
  readonly node: number
  readonly generation: number
  readonly entrySeconds: number
  readonly attributesSeconds: number
  readonly attributes: Attributes
}

export interface AttributesReply {
  readonly attributesSeconds: number
  readonly attributes: Attributes
}

export interface Opened {
  readonly handle: number
  /** Pages stay over opens; a directory's listing is used again (with `cacheListing`). */
  readonly keepCache?: boolean
  readonly cacheListing?: boolean
  /** No page cache; size in the attributes is ignored. */
  readonly direct?: boolean
  /** No `flush` when a descriptor is closed. */
  readonly noFlush?: boolean
}

/** Where `readdir` and `readdirplus` put their entries. `add` returns false, and takes nothing, when the page is full. `cookie` is what
 *  comes back as the offset to go on behind the entry; never 0. */
export interface DirectoryPage {
  /** `kind` is the S_IFMT part of the mode. */
  add(name: Uint8Array | ByteName, cookie: number, inode: number, kind: number): boolean
  /** Only in readdirplus. Node 0 = '.', '..' or unknown. */
  addEntry(name: Uint8Array | ByteName, cookie: number, entry: Entry): boolean
}

/** statfs(2); counts in units of `blockBytes`. */
export interface Statistics {
  readonly blocks: number
  readonly freeBlocks: number
  readonly availableBlocks: number
  readonly files: number
  readonly freeFiles: number
  readonly blockBytes: number
  readonly nameBytes: number
}

/** What setattr changes; absent = left alone. 'now' = the moment the driver was asked. */
export interface AttributesChange {
  readonly handle?: number
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly sizeBytes?: number
  readonly accessed?: { readonly seconds: number; readonly ns: number }
  readonly modified?: { readonly seconds: number; readonly ns: number }
  readonly changed?: { readonly seconds: number; readonly ns: number }
  readonly dropSetIds?: boolean
}

export interface FuseOperations {
  lookup(caller: Caller, parent: number, name: ByteName): Reply<Entry>
  getattr(caller: Caller, node: number, handle: number | undefined): Reply<AttributesReply>
  /** The kernel has forgotten `count` lookups of the node. */
  forget?(node: number, count: number): void
  readlink?(caller: Caller, node: number): Reply<Uint8Array>
  /** Left out of a read-only file system: the kernel opens without asking, keeps the pages, and `read` gets handle 0. */
  open?(caller: Caller, node: number, flags: number, dropSetIds?: boolean): Reply<Opened>
  /** At most `size` bytes; fewer only at the end of the file. */
  read?(caller: Caller, node: number, handle: number, offset: number, size: number): Reply<Uint8Array>
  release?(node: number, handle: number): Reply<void>
  opendir?(caller: Caller, node: number, flags: number): Reply<Opened>
  readdir?(caller: Caller, node: number, handle: number, offset: number, page: DirectoryPage): Reply<void>
  readdirplus?(caller: Caller, node: number, handle: number, offset: number, page: DirectoryPage): Reply<void>
  releasedir?(node: number, handle: number): Reply<void>
  statfs?(caller: Caller, node: number): Reply<Statistics>
  access?(caller: Caller, node: number, mask: number): Reply<void>
  getxattr?(caller: Caller, node: number, name: ByteName): Reply<Uint8Array>
  listxattr?(caller: Caller, node: number): Reply<readonly ByteName[]>
  /** The mount is gone. */
  destroy?(): void

  setattr?(caller: Caller, node: number, change: AttributesChange): Reply<AttributesReply>
  symlink?(caller: Caller, parent: number, name: ByteName, target: Uint8Array): Reply<Entry>
  mknod?(caller: Caller, parent: number, name: ByteName, mode: number, device: number): Reply<Entry>
  mkdir?(caller: Caller, parent: number, name: ByteName, mode: number): Reply<Entry>
  unlink?(caller: Caller, parent: number, name: ByteName): Reply<void>
  rmdir?(caller: Caller, parent: number, name: ByteName): Reply<void>
  /** `flags`: 1 the target must not exist, 2 exchange. */
  rename?(caller: Caller, parent: number, name: ByteName, newParent: number, newName: ByteName, flags: number): Reply<void>
  link?(caller: Caller, node: number, newParent: number, newName: ByteName): Reply<Entry>
  create?(caller: Caller, parent: number, name: ByteName, flags: number, mode: number): Reply<readonly [Entry, Opened]>
  /** A file without a name in the file system of `parent` (O_TMPFILE); `link` may give it one. */
  tmpfile?(caller: Caller, parent: number, flags: number, mode: number): Reply<readonly [Entry, Opened]>
  /** Returns the number of bytes taken. `data` may be kept. `dropSetIds`: the writer may not keep set-id bits. */
  write?(
    caller: Caller,
    node: number,
    handle: number,
    offset: number,
    data: Uint8Array,
    fromPageCache: boolean,
    dropSetIds?: boolean,
  ): Reply<number>
  flush?(caller: Caller, node: number, handle: number): Reply<void>
  fsync?(caller: Caller, node: number, handle: number, dataOnly: boolean): Reply<void>
  fsyncdir?(caller: Caller, node: number, handle: number, dataOnly: boolean): Reply<void>
  /** `flags`: 1 must not exist, 2 must exist. */
  setxattr?(caller: Caller, node: number, name: ByteName, value: Uint8Array, flags: number): Reply<void>
  removexattr?(caller: Caller, node: number, name: ByteName): Reply<void>
  /** `mode`: 1 keep size, 2 punch hole. */
  fallocate?(caller: Caller, node: number, handle: number, offset: number, length: number, mode: number): Reply<void>
  /** `whence`: 3 data, 4 hole. */
  lseek?(caller: Caller, node: number, handle: number, offset: number, whence: number): Reply<number>
  copyFileRange?(
    caller: Caller,
    from: { readonly node: number; readonly handle: number; readonly offset: number },
    to: { readonly node: number; readonly handle: number; readonly offset: number },
    length: number,
  ): Reply<number>
}

/** A mounted file system. */
export interface FuseMount {
  /** Resolves when the mount is gone, however that came about; rejects when the driver broke. */
  readonly done: Promise<void>
  /** The kernel looks the name up again. Errors are not reported: an unknown name is fine. */
  invalidateEntry(parent: number, name: ByteName): void
  /** The kernel drops attributes, pages and cached listing of the node. */
  invalidateNode(node: number): void
  /** Ends the mount. Rejects with MountError while files are open (`lazy` detaches at once and ends it when they are closed). */
  unmount(options?: { readonly lazy?: boolean }): Promise<void>
}

export interface FuseMountOptions {
  readonly mountPoint: string
  /** Source shown in the mount table; letters, digits, '@', ':', '-', '_', '.' and '/'. */
  readonly sourceName: string
  readonly readOnly: boolean
  /** Let other users in. */
  readonly allowOther: boolean
  /** The kernel checks permission bits. */
  readonly defaultPermissions: boolean
  readonly allowNonEmpty: boolean
  /** Writes collect in the kernel's page cache: faster where they are small, but errors come late, and what has not arrived is lost when the
   *  process is killed (spec 08, 3.10). */
  readonly writebackCache?: boolean | undefined
  /** What the kernel heeds besides. */
  readonly vfsFlags?: readonly VfsFlag[] | undefined
  /** Called once per request for tracing, before it is answered. */
  readonly trace?: ((line: string) => void) | undefined
  /** Told once per error that was answered as EIO although the file system did not say so. */
  readonly report?: ((operation: string, error: unknown) => void) | undefined
}

export interface FuseDriver {
  /** It can only read: file systems are mounted read-only by it. */
  readonly isReadOnly?: boolean
  readonly name: string
  /** Undefined when it can be used here; else why not, with what to do. */
  whyNot(): Promise<string | undefined>
  mount(operations: FuseOperations, options: FuseMountOptions): Promise<FuseMount>
}
