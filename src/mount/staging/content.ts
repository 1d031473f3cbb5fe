import { errno, FuseError } from '#fuse/errno.ts'
import type { Reply } from '#fuse/operations.ts'
import { type Range, slice } from './extents.ts'
import type { StagingNode } from './node.ts'
import type { Spool } from './spool.ts'
import type { LowerTree } from './staging.ts'

/** Bytes of a file: those of the spool, of the lower object, and zeros between them. Fewer only at the end. */
export function readContent(
  file: { readonly id: number; readonly sizeBytes: number; readonly extents: readonly Range[] },
  offset: number,
  size: number,
  spool: Spool,
  lower: LowerTree,
): Reply<Uint8Array> {
  const end = Math.min(offset + size, file.sizeBytes)
  if (offset >= end) return new Uint8Array(0)
  const ranges = slice(file.extents, offset, end)
  const [only] = ranges
  if (ranges.length === 1 && only?.source === 'lower' && only.objectId !== '') {
    const bytes = lower.read(only.objectId, only.lowerOffset, only.length)
    return bytes instanceof Promise ? bytes.then((b) => whole(b, only)) : whole(bytes, only)
  }
  const into = Buffer.alloc(end - offset)
  const waiting: Promise<void>[] = []
  for (const range of ranges) {
    const target = into.subarray(range.offset - offset, range.offset - offset + range.length)
    if (range.source === 'spool') spool.read(file.id, range, target)
    else if (range.source === 'lower' && range.objectId !== '') waiting.push(fill(target, range, lower))
  }
  return waiting.length === 0 ? into : Promise.all(waiting).then(() => into)
}

async function fill(target: Uint8Array, range: Range, lower: LowerTree): Promise<void> {
  if (range.objectId === '') return
  const bytes = await lower.read(range.objectId, range.lowerOffset, target.length)
  target.set(whole(bytes, range))
}

function whole(bytes: Uint8Array, { objectId, length }: Range): Uint8Array {
  if (bytes.length < length) throw new FuseError(errno.EIO, `object ${objectId} is shorter than its entry says`)
  return bytes
}

/** lseek(2) with `whence` 3 (data) or 4 (hole). ENXIO behind the end. */
export function seekContent(node: StagingNode, offset: number, whence: number): number {
  if (offset >= node.sizeBytes || offset < 0) throw new FuseError(6)
  for (const range of slice(node.extents, offset, node.sizeBytes)) {
    if ((range.source === 'zero') === (whence === 4)) return range.offset
  }
  if (whence === 4) return node.sizeBytes
  throw new FuseError(6)
}
