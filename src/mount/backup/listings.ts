import { fileKind } from '#fuse/abi.ts'
import { errno, FuseError } from '#fuse/errno.ts'
import type { DirectoryPage, Entry, Reply } from '#fuse/operations.ts'
import type { ListedEntry, StagedNode, Staging } from '../staging/staging.ts'
import { emptyAttributes } from '../table.ts'
import { after } from './after.ts'

interface OpenListing {
  readonly node: StagedNode
  entries: readonly ListedEntry[] | undefined
}

type AddEntry = (node: StagedNode, add: (entry: Entry) => boolean) => boolean

/** Open directories of an overlay: each handle keeps the names it began with, so cookies stay what they were while entries come and go
 *  (spec 08, 3.6); going back to the beginning takes the names anew. Cookies: 1 behind '.', 2 behind '..', 3 + n behind the n-th name. */
export class Listings {
  private readonly handles = new Map<number, OpenListing>()
  private nextHandle = 1

  constructor(
    private readonly staging: Staging,
    private readonly parentInode: number,
  ) {}

  open(node: StagedNode): number {
    const handle = this.nextHandle++
    this.handles.set(handle, { node, entries: undefined })
    return handle
  }

  close(handle: number): void {
    this.handles.delete(handle)
  }

  /** Names and kinds alone: their inode numbers are not looked up, since the kernel then asks for nothing by them. */
  fill(handle: number, offset: number, page: DirectoryPage): Reply<void> {
    const open = this.listing(handle)
    return after(this.entriesOf(open, offset), (entries) => {
      if (!this.addDots(open.node, offset, page)) return undefined
      return this.addRest(open, entries, Math.max(offset - 2, 0), (node, { name }, cookie) => {
        const attributes = emptyAttributes()
        this.staging.attributes(node, attributes)
        return page.add(name, cookie, attributes.inode, attributes.mode & fileKind.mask)
      })
    })
  }

  /** `give` hands out an entry for the kernel, and takes it back when it finds no room. */
  fillPlus(handle: number, offset: number, page: DirectoryPage, give: AddEntry): Reply<void> {
    const open = this.listing(handle)
    return after(this.entriesOf(open, offset), (entries) => {
      if (!this.addDots(open.node, offset, page)) return undefined
      return this.addRest(open, entries, Math.max(offset - 2, 0), (node, { name }, cookie) =>
        give(node, (entry) => page.addEntry(name, cookie, entry)),
      )
    })
  }

  private listing(handle: number): OpenListing {
    const open = this.handles.get(handle)
    if (open === undefined) throw new FuseError(errno.EBADF)
    return open
  }

  private entriesOf(open: OpenListing, offset: number): Reply<readonly ListedEntry[]> {
    if (open.entries !== undefined && offset > 0) return open.entries
    return after(this.staging.list(open.node), (entries) => {
      open.entries = entries
      return entries
    })
  }

  private addDots(node: StagedNode, offset: number, page: DirectoryPage): boolean {
    if (offset < 1 && !page.add('.', 1, node, fileKind.directory)) return false
    if (offset >= 2) return true
    const above = node === this.staging.root ? this.parentInode : this.staging.parentOf(node)
    return page.add('..', 2, above, fileKind.directory)
  }

  /** A name that has gone since the listing began is left out. */
  private addRest(
    open: OpenListing,
    entries: readonly ListedEntry[],
    from: number,
    add: (node: StagedNode, entry: ListedEntry, cookie: number) => boolean,
  ): Reply<void> {
    for (let i = from; i < entries.length; i++) {
      const entry = entries[i] as ListedEntry
      const found = this.staging.lookup(open.node, entry.name)
      const put = (node: StagedNode | undefined): boolean => node === undefined || add(node, entry, i + 3)
      if (found instanceof Promise) return found.then((node) => (put(node) ? this.addRest(open, entries, i + 1, add) : undefined))
      if (!put(found)) return undefined
    }
    return undefined
  }
}
