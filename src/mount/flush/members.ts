import type { ByteName } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import type { FrozenNode } from '../staging/staging.ts'

export type FrozenFile = FrozenNode & { readonly kind: 'file' }
export type FrozenDirectory = FrozenNode & { readonly kind: 'directory' }

/** One name of a directory: a changed node, or an entry of the lower tree. */
export interface Member {
  readonly name: string
  readonly node?: FrozenNode
  readonly stored?: DirectoryEntry
  /** Directory of a newer tree that a changed one is put onto, instead of the one that it was made on. */
  readonly newer?: ObjectId
  /** It stands on something else than what the snapshot below has: what is unchanged in it must pass the rules again. */
  readonly refilter?: boolean
}

/** Exactly `size` bytes of a frozen file. */
export async function readFully(node: FrozenFile, offset: number, size: number): Promise<Uint8Array> {
  const first = await node.read(offset, size)
  if (first.length === size) return first
  const all = Buffer.alloc(size)
  all.set(first)
  for (let at = first.length; at < size; ) {
    const piece = await node.read(offset + at, size - at)
    if (piece.length === 0) throw new RangeError(`a staged file ends at byte ${offset + at}, before its size`)
    all.set(piece, at)
    at += piece.length
  }
  return all
}

export const textOf = (name: ByteName): string => Buffer.from(name, 'latin1').toString()

/** All names of a directory as they are now. `isNewer`: `lower` is of a newer tree than the one that the changes were made on. */
export async function membersOf(
  repository: Repository,
  node: FrozenDirectory | undefined,
  lower: ObjectId | undefined,
  isNewer: boolean,
): Promise<Member[]> {
  const changes = new Map(node ? [...node.changes()].map(([name, to]) => [textOf(name), to] as const) : [])
  const stored = lower === undefined ? [] : (await readStoredDirectory(repository, lower)).entries
  const members: Member[] = stored.filter((e) => !changes.has(e.name)).map((e) => ({ name: e.name, stored: e }))
  const folders = new Map(stored.filter((e) => e.type === 'd').map((e) => [e.name, e]))
  for (const [name, to] of changes) {
    if (to === undefined) continue
    if (!('kind' in to)) {
      members.push({ name, stored: { ...to, name } })
      continue
    }
    const old = to.kind === 'directory' ? folders.get(name) : undefined
    const differs = old !== undefined && to.kind === 'directory' && old.objectId !== to.lower
    members.push({ name, node: to, ...(isNewer && old && { newer: old.objectId as ObjectId }), ...(differs && { refilter: true }) })
  }
  return members
}
