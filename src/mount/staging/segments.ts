import { basename, join } from 'node:path'
import type { SpoolHandles } from './handles.ts'
import { writeFully } from './spool-files.ts'

const segmentBytes = 64 * 1024 * 1024

interface Segment {
  end: number
  synced: number
  syncing: Promise<void> | undefined
}

/** Contents of small files, one behind the other in a few files (`small/<number>`): to make a file costs more than to write one, and one
 *  sync serves many. Bytes once written never change, so a flush point needs no copy. A segment is removed as a whole when no file has
 *  bytes in it. */
export class Segments {
  private readonly all = new Map<number, Segment>()
  private current = 0
  usedBytes = 0

  constructor(
    private readonly handles: SpoolHandles,
    private readonly directory: string,
  ) {}

  pathOf(segment: number): string {
    return join(this.directory, 'small', `${segment}`)
  }

  /** A segment that was found. New bytes go into later ones. */
  found(segment: number, sizeBytes: number): void {
    this.all.set(segment, { end: sizeBytes, synced: sizeBytes, syncing: undefined })
    this.usedBytes += sizeBytes
    this.current = Math.max(this.current, segment + 1)
  }

  /** Ends the current segment. Returns the number that new bytes get at least. */
  roll(): number {
    if (this.all.has(this.current)) this.current++
    return this.current
  }

  write(data: Uint8Array): { readonly segment: number; readonly at: number } {
    let known = this.all.get(this.current)
    if (known !== undefined && known.end + data.length > segmentBytes) {
      this.roll()
      known = undefined
    }
    const fd = this.handles.get(this.pathOf(this.current), known === undefined)
    if (known === undefined) {
      known = { end: 0, synced: 0, syncing: undefined }
      this.all.set(this.current, known)
    }
    const at = known.end
    writeFully(this.handles.files, fd, data, at)
    known.end += data.length
    this.usedBytes += data.length
    return { segment: this.current, at }
  }

  /** Returns the bytes read; fewer than wanted only at the end. */
  read(segment: number, into: Uint8Array, at: number): number {
    const fd = this.handles.get(this.pathOf(segment), false)
    return readUpTo(this.handles, fd, into, at)
  }

  /** All that was written to the segment before the call is on disk when it resolves. */
  async sync(segment: number): Promise<void> {
    const known = this.all.get(segment)
    if (known === undefined) return
    const { end } = known
    while (known.synced < end) {
      known.syncing ??= this.start(segment, known).finally(() => {
        known.syncing = undefined
      })
      await known.syncing
    }
  }

  private async start(segment: number, known: Segment): Promise<void> {
    const { end } = known
    await this.handles.sync(this.pathOf(segment), () => this.rewrite(segment, end))
    known.synced = end
  }

  private rewrite(segment: number, end: number): void {
    const page = Buffer.allocUnsafe(1 << 20)
    const fd = this.handles.get(this.pathOf(segment), false)
    for (let at = 0; at < end; at += page.length) {
      const got = readUpTo(this.handles, fd, page.subarray(0, Math.min(page.length, end - at)), at)
      writeFully(this.handles.files, fd, page.subarray(0, got), at)
    }
  }

  /** Segments that nobody uses and that are not written to. */
  unused(used: ReadonlySet<number>): number[] {
    return [...this.all.keys()].filter((segment) => segment < this.current && !used.has(segment))
  }

  /** False when the path is none of a segment. */
  remove(path: string): boolean {
    if (!path.startsWith(join(this.directory, 'small'))) return false
    const segment = Number(basename(path))
    this.usedBytes -= this.all.get(segment)?.end ?? 0
    this.all.delete(segment)
    this.handles.remove(path)
    return true
  }
}

export function readUpTo(handles: SpoolHandles, fd: number, into: Uint8Array, at: number): number {
  let done = 0
  while (done < into.length) {
    const got = handles.files.read(fd, into, done, into.length - done, at + done)
    if (got <= 0) break
    done += got
  }
  return done
}
