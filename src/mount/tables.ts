import { errno, FuseError } from '#fuse/errno.ts'
import { type ByteName, rootNode } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { withDeadline } from './deadline.ts'
import { StoredTable } from './stored-table.ts'
import { rowOf, serialOf, type Table } from './table.ts'

export interface TablesOptions {
  /** Directories nobody uses that are kept, and entries in them, at most. */
  readonly maxIdleDirectories: number
  readonly maxIdleEntries: number
  readonly timeoutMs: number
}

interface Loaded {
  readonly key: string
  readonly table: StoredTable
  readonly parent: Table
  /** Open listings. */
  handles: number
  /** Loaded tables below. */
  children: number
}

/** All tables that exist: found by serial, loaded when first visited, dropped when the kernel has forgotten them and newer ones need the
 *  room. */
export class Tables {
  private readonly bySerial = new Map<number, Table>()
  private readonly loaded = new Map<Table, Loaded>()
  /** Dropped ones that someone may still be about to use. */
  private readonly dropped = new WeakMap<Table, Loaded>()
  /** Key `<serial>/<row>` of a directory -> its children, or the load in progress. */
  private readonly below = new Map<string, StoredTable | Promise<StoredTable>>()
  /** Tables nobody uses, oldest first. */
  private readonly idle = new Set<Loaded>()
  private idleEntries = 0
  private nextSerial = 1

  constructor(
    private readonly readDirectory: (id: ObjectId) => Promise<readonly DirectoryEntry[]>,
    private readonly options: TablesOptions,
  ) {}

  takeSerial(): number {
    return this.nextSerial++
  }

  add(table: Table): void {
    this.bySerial.set(table.serial, table)
  }

  get directoryCount(): number {
    return this.loaded.size
  }

  /** Table and row of a node. ESTALE for a node that nobody can know any more. */
  locate(node: number): { readonly table: Table; readonly row: number } {
    const table = this.bySerial.get(node === rootNode ? 0 : serialOf(node))
    if (table === undefined) throw new FuseError(errno.ESTALE)
    return { table, row: rowOf(node) }
  }

  /** Where a node is below the snapshot's root, `/` between the names, and the row of that root. */
  placeOf(node: number): { readonly path: ByteName; readonly table: Table; readonly row: number } {
    let { table, row } = this.locate(node)
    const names: ByteName[] = []
    for (let loaded = this.loaded.get(table); loaded !== undefined; loaded = this.loaded.get(table)) {
      const name = table.nameOf(row)
      names.unshift(typeof name === 'string' ? name : Buffer.from(name).toString('latin1'))
      row = Number(loaded.key.slice(loaded.key.indexOf('/') + 1))
      table = loaded.parent
    }
    return { path: names.join('/'), table, row }
  }

  remember(table: Table, row: number): void {
    table.remember(row)
    const loaded = this.inUse(table)
    if (loaded !== undefined) this.wake(loaded)
  }

  forget(node: number, count: number): void {
    const table = this.bySerial.get(serialOf(node))
    if (table === undefined) return
    table.forget(rowOf(node), count)
    this.settle(this.loaded.get(table))
  }

  /** The children of the directory in that row. Throws FuseError (ENOTDIR), and what reading the object throws. */
  childrenOf(parent: Table, row: number): Table | Promise<Table> {
    const target = parent.target(row)
    if (target.kind !== 'directory') throw new FuseError(errno.ENOTDIR)
    if (target.table !== undefined) return target.table
    const key = `${parent.serial}/${row}`
    const known = this.below.get(key)
    if (known !== undefined) return known
    const loading = this.load(parent, row, key, target.objectId)
    this.below.set(key, loading)
    loading.catch(() => this.below.delete(key)) // the next visit tries again
    return loading
  }

  /** Reads a directory ahead of use; errors show when it is visited. */
  async prefetch(parent: Table, row: number): Promise<void> {
    try {
      await this.childrenOf(parent, row)
    } catch {
      // shown at the visit
    }
  }

  isLoaded(parent: Table, row: number): boolean {
    return this.below.has(`${parent.serial}/${row}`)
  }

  /** A listing is open: its table stays. */
  hold(table: Table): void {
    const loaded = this.inUse(table)
    if (loaded === undefined) return
    loaded.handles++
    this.wake(loaded)
  }

  release(table: Table): void {
    const loaded = this.loaded.get(table)
    if (loaded === undefined) return
    loaded.handles--
    this.settle(loaded)
  }

  private async load(parent: Table, row: number, key: string, objectId: ObjectId | ''): Promise<StoredTable> {
    if (objectId === '') throw new FuseError(errno.EIO, 'the directory has no object')
    const entries = await withDeadline(this.readDirectory(objectId), this.options.timeoutMs, `reading directory ${objectId}`)
    const table = new StoredTable(this.takeSerial(), parent.inodeAt(row), parent.inode, entries)
    this.below.set(key, table)
    const loaded: Loaded = { key, table, parent, handles: 0, children: 0 }
    this.place(loaded)
    this.settle(loaded)
    return table
  }

  private place(loaded: Loaded): void {
    this.bySerial.set(loaded.table.serial, loaded.table)
    this.loaded.set(loaded.table, loaded)
    const above = this.inUse(loaded.parent)
    if (above === undefined) return
    above.children++
    this.wake(above)
  }

  /** What is known of a loaded table. One that was dropped between its load and its visitor's turn comes back. */
  private inUse(table: Table): Loaded | undefined {
    const known = this.loaded.get(table)
    if (known !== undefined) return known
    const before = this.dropped.get(table)
    if (before === undefined) return undefined
    this.dropped.delete(table)
    this.place(before)
    if (!this.below.has(before.key)) this.below.set(before.key, before.table)
    return before
  }

  private wake(loaded: Loaded): void {
    if (this.idle.delete(loaded)) this.idleEntries -= loaded.table.rows.length
  }

  private settle(loaded: Loaded | undefined): void {
    if (loaded === undefined || loaded.table.isKnown || loaded.handles > 0 || loaded.children > 0 || this.idle.has(loaded)) return
    this.idle.add(loaded)
    this.idleEntries += loaded.table.rows.length
    for (const oldest of this.idle) {
      if (oldest === loaded) break // the newest stays: its visitor has not yet come back
      if (this.idle.size <= this.options.maxIdleDirectories && this.idleEntries <= this.options.maxIdleEntries) break
      this.drop(oldest)
    }
  }

  private drop(loaded: Loaded): void {
    this.wake(loaded)
    this.loaded.delete(loaded.table)
    this.bySerial.delete(loaded.table.serial)
    if (this.below.get(loaded.key) === loaded.table) this.below.delete(loaded.key)
    this.dropped.set(loaded.table, loaded)
    const above = this.loaded.get(loaded.parent)
    if (above === undefined) return
    above.children--
    this.settle(above)
  }
}
