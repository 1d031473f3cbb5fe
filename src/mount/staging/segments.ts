import { randomBytes } from 'node:crypto'
import { basename, join } from 'node:path'
import type { SpoolHandles } from './handles.ts'
import type { SpoolCipher } from './spool-cipher.ts'
import { writeFully } from './spool-files.ts'

const segmentBytes = 64 * 1024 * 1024
/** What an encrypted segment begins with: its part of the counters, then zeros. */
const headBytes = 16
const nonceBytes = 8

interface Segment {
  end: number
  synced: number
  syncing: Promise<void> | undefined
  nonce: Buffer | undefined
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
    private readonly cipher?: SpoolCipher,
  ) {}

  pathOf(segment: number): string {
    return join(this.directory, 'small', `${segment}`)
  }

  /** A segment that was found. New bytes go into later ones. */
  found(segment: number, sizeBytes: number): void {
    this.all.set(segment, { end: sizeBytes, synced: sizeBytes, syncing: undefined, nonce: undefined })
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
      known = { end: 0, synced: 0, syncing: undefined, nonce: undefined }
      if (this.cipher !== undefined) this.begin(fd, known)
      this.all.set(this.current, known)
    }
    const at = known.end
    writeFully(this.handles.files, fd, known.nonce === undefined ? data : this.applied(known.nonce, at, data), at)
    known.end += data.length
    this.usedBytes += data.length
    return { segment: this.current, at }
  }

  private begin(fd: number, segment: Segment): void {
    segment.nonce = randomBytes(nonceBytes)
    writeFully(this.handles.files, fd, Buffer.concat([segment.nonce], headBytes), 0)
    segment.end = headBytes
    this.usedBytes += headBytes
  }

  private applied(nonce: Buffer, at: number, data: Uint8Array): Uint8Array {
    return this.cipher === undefined ? data : this.cipher.apply(nonce, at, data)
  }

  /** Returns the bytes read; fewer than wanted only at the end. */
  read(segment: number, into: Uint8Array, at: number): number {
    const fd = this.handles.get(this.pathOf(segment), false)
    const got = readUpTo(this.handles, fd, into, at)
    if (this.cipher === undefined || got === 0) return got
    into.set(this.cipher.apply(this.nonceOf(segment, fd), at, into.subarray(0, got)))
    return got
  }

  private nonceOf(segment: number, fd: number): Buffer {
    const known = this.all.get(segment)
    if (known?.nonce !== undefined) return known.nonce
    const nonce = Buffer.alloc(nonceBytes)
    readUpTo(this.handles, fd, nonce, 0)
    if (known !== undefined) known.nonce = nonce
    return nonce
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
