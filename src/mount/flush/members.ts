import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
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
