import type { FlushPoint, FrozenNode, LowerTree } from '#mount/staging/staging.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { type Description, describe1 } from './model.ts'

const kinds: Record<string, string> = { d: 'directory', f: 'file', s: 'link' }

/** Objects in memory, and a flush that writes what a flush point says into them. */
export class FakeRepository implements LowerTree {
  readonly directories = new Map<string, readonly DirectoryEntry[]>()
  readonly files = new Map<string, Buffer>()
  private next = 1

  async readDirectory(id: ObjectId): Promise<readonly DirectoryEntry[]> {
    const found = this.directories.get(id)
    if (found === undefined) throw new Error(`no directory object ${id}`)
    return found
  }

  read(id: ObjectId, offset: number, size: number): Uint8Array | Promise<Uint8Array> {
    const found = this.files.get(id)
    if (found === undefined) throw new Error(`no object ${id}`)
    const bytes = found.subarray(offset, offset + size)
    return this.next % 3 === 0 ? Promise.resolve(bytes) : bytes
  }

  addFile(data: Buffer): ObjectId {
    const id = `f${this.next++}`
    this.files.set(id, data)
    return id as ObjectId
  }

  addDirectory(entries: readonly DirectoryEntry[]): ObjectId {
    const id = `k${this.next++}`
    this.directories.set(id, entries)
    return id as ObjectId
  }

  /** Writes the tree of a flush point. */
  async write(point: FlushPoint): Promise<{ readonly rootObject: ObjectId; readonly objects: ReadonlyMap<number, DirectoryEntry> }> {
    const objects = new Map<number, DirectoryEntry>()
    const entry = await this.entryOf(point.root, '', objects)
    return { rootObject: entry?.objectId as ObjectId, objects }
  }

  private async entryOf(node: FrozenNode, name: string, objects: Map<number, DirectoryEntry>): Promise<DirectoryEntry | undefined> {
    await undefined
    const { mode, uid, gid, modifiedNs } = node.attributes
    const common = { name, mode: mode & 0o7777, modifiedNs, uid, gid }
    let entry: DirectoryEntry
    if (node.kind === 'special') return undefined
    if (node.kind === 'link') {
      entry = { ...common, type: 's', sizeBytes: node.target.length, objectId: this.addFile(Buffer.from(node.target)) }
    } else if (node.kind === 'file') {
      const data = Buffer.from(await node.read(0, node.sizeBytes + 10))
      if (data.length !== node.sizeBytes) throw new Error('a frozen file is shorter than its size')
      const whole = node.extents.reduce((sum, e) => sum + e.length, 0)
      if (whole !== node.sizeBytes) throw new Error('the extents do not cover the file')
      entry = { ...common, type: 'f', sizeBytes: data.length, objectId: this.addFile(data) }
    } else if (!node.changed && node.lower !== undefined) {
      entry = { ...common, type: 'd', sizeBytes: 0, objectId: node.lower }
    } else {
      const changes = new Map([...node.changes()].map(([n, to]) => [Buffer.from(n, 'latin1').toString(), to]))
      const below = node.lower === undefined ? [] : (this.directories.get(node.lower) ?? [])
      const entries = below.filter((e) => !changes.has(e.name))
      for (const [n, to] of changes) {
        const made = to === undefined ? undefined : 'kind' in to ? await this.entryOf(to, n, objects) : { ...to, name: n }
        if (made !== undefined) entries.push(made)
      }
      entry = { ...common, type: 'd', sizeBytes: 0, objectId: this.addDirectory(entries) }
    }
    objects.set(node.node, entry)
    return entry
  }

  /** One line for each path below a directory object; the root's own attributes are the caller's. */
  describe(id: ObjectId, rootLine: string, path = '', into: Description = {}): Description {
    if (path === '') into[''] = rootLine
    for (const e of this.directories.get(id) ?? []) {
      const at = `${path}/${Buffer.from(e.name).toString('latin1')}`
      const data = e.type === 'd' ? Buffer.alloc(0) : (this.files.get(e.objectId) ?? Buffer.alloc(0))
      into[at] = describe1(kinds[e.type] as string, e.mode, e.uid, e.gid, e.modifiedNs, data, undefined)
      if (e.type === 'd') this.describe(e.objectId as ObjectId, '', at, into)
    }
    return into
  }
}
