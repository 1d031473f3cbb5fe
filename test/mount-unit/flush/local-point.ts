import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { FlushPoint, FrozenNode } from '#mount/staging/staging.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'

type Directory = FrozenNode & { readonly kind: 'directory' }
type Changes = Map<string, FrozenNode | DirectoryEntry | undefined>

/** A flush point that turns a stored tree into what a local folder holds: only what differs is a change. Files that were read are in
 *  `reads`. */
export class LocalPoint implements FlushPoint {
  readonly droppedXattrs = 0
  root!: Directory
  readonly reads: string[] = []
  committed: { snapshotId: string; rootObject: ObjectId } | undefined
  abandoned = 0
  #next = 2 ** 32

  static async of(repository: Repository, path: string, lower: ObjectId | undefined): Promise<LocalPoint> {
    const point = new LocalPoint()
    point.root = await point.#directory(repository, path, lower)
    return point
  }

  async commit(result: { snapshotId: string; rootObject: ObjectId }): Promise<void> {
    this.committed = result
  }

  abandon(): void {
    this.abandoned++
  }

  async #directory(repository: Repository, path: string, lower: ObjectId | undefined): Promise<Directory> {
    const stored = new Map(lower ? (await readStoredDirectory(repository, lower)).entries.map((e) => [e.name, e]) : [])
    const changes: Changes = new Map()
    for (const name of readdirSync(path)) {
      const child = join(path, name)
      const old = stored.get(name)
      const stats = lstatSync(child, { bigint: true })
      const node = this.#next++
      if (stats.isDirectory()) {
        const directory = await this.#directory(repository, child, old?.type === 'd' ? (old.objectId as ObjectId) : undefined)
        if (directory.changed || old?.modifiedNs !== stats.mtimeNs) changes.set(name, directory)
      } else if (stats.isSymbolicLink()) {
        if (old?.modifiedNs !== stats.mtimeNs)
          changes.set(name, { kind: 'link', node, attributes: attributes(child), target: readlinkSync(child, { encoding: 'buffer' }) })
      } else if (stats.isFile()) {
        if (old?.modifiedNs !== stats.mtimeNs || old.sizeBytes !== Number(stats.size)) changes.set(name, this.#file(child, node))
      } else changes.set(name, { kind: 'special', node, attributes: attributes(child) })
      stored.delete(name)
    }
    for (const name of stored.keys()) changes.set(name, undefined)
    const latin1 = [...changes].map(([name, to]) => [Buffer.from(name).toString('latin1'), to] as const)
    return {
      kind: 'directory',
      node: this.#next++,
      attributes: attributes(path),
      lower,
      changed: changes.size > 0 || lower === undefined,
      changes: () => latin1,
    }
  }

  #file(path: string, node: number): FrozenNode {
    const bytes = readFileSync(path)
    return {
      kind: 'file',
      node,
      attributes: attributes(path),
      sizeBytes: bytes.length,
      extents: bytes.length > 0 ? [{ offset: 0, length: bytes.length, source: 'spool' }] : [],
      lower: undefined,
      isBeingWritten: false,
      contentKey: bytes,
      changedNs: 0n,
      read: (offset, size) => {
        if (offset === 0) this.reads.push(path)
        return bytes.subarray(offset, offset + size)
      },
    }
  }
}

function attributes(path: string) {
  const s = lstatSync(path, { bigint: true })
  return { mode: Number(s.mode), uid: Number(s.uid), gid: Number(s.gid), modifiedNs: s.mtimeNs }
}
