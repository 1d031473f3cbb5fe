import { randomUUID } from 'node:crypto'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { ObjectId, ObjectWriter, ObjectWriterOptions } from '#repo/object/object.ts'
import type { UploadContext } from './context.ts'
import { EntryReadError, readError } from './read-error.ts'

export interface UploadedFile {
  readonly objectId: ObjectId
  /** Bytes really read; may differ from what lstat said. */
  readonly sizeBytes: number
}

/** Ends a file that is being read when the upload is stopped; not an error of the entry. */
export class UploadStoppedError extends EntryReadError {}

// A file that turned into a link or a pipe since it was listed must neither be followed nor block.
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const readBytes = 1 << 20
const slabBytes = 4 << 20

interface Slab {
  readonly bytes: Buffer
  used: number
  /** Files in it that are not yet stored. */
  users: number
}

/** Reads small files into shared slabs of memory: one slab serves hundreds of files, and is used again when all are stored. */
export class SmallFileReader {
  readonly #slabs = new Map<ArrayBufferLike, Slab>()
  #spare: Slab[] = []
  #slab: Slab | undefined

  /** Whole file of about `sizeBytes`, or undefined when it has grown to `limitBytes` or more and must be streamed. The bytes are
   *  good until `release`. Throws EntryReadError. */
  read(path: string | Buffer, sizeBytes: number, limitBytes: number): Buffer | undefined {
    // One byte more than expected: a short read then proves the end of file without a second call.
    const slab = this.#slabWith(Math.min(sizeBytes + 1, limitBytes))
    let room = Math.min(sizeBytes + 1, limitBytes)
    let fd: number
    try {
      fd = openSync(path, openFlags)
    } catch (error) {
      throw readError(error)
    }
    try {
      const start = slab.used
      let end = start
      for (;;) {
        const got = readSync(fd, slab.bytes, end, room, null)
        end += got
        if (got === 0 || got < room) break
        room = Math.min(limitBytes - (end - start), slab.bytes.length - end)
        if (room <= 0) return undefined
      }
      slab.used = end
      slab.users++
      return slab.bytes.subarray(start, end)
    } catch (error) {
      throw readError(error)
    } finally {
      closeSync(fd)
    }
  }

  /** Gives back the bytes of one read. */
  release(data: Buffer): void {
    const slab = this.#slabs.get(data.buffer)
    if (!slab || --slab.users > 0 || slab === this.#slab) return
    slab.used = 0
    this.#spare.push(slab)
  }

  #slabWith(room: number): Slab {
    const current = this.#slab
    if (current && current.users === 0) current.used = 0
    if (current && current.bytes.length - current.used >= room) return current
    const next = this.#spare.pop() ?? { bytes: Buffer.allocUnsafeSlow(slabBytes), used: 0, users: 0 }
    this.#slabs.set(next.bytes.buffer, next)
    this.#slab = next
    return next
  }
}

/** What a checkpoint can ask of a file that is still being read (spec 07, 7.1.11). */
export interface FileInProgress {
  /** Name in the checkpoint after `.checkpointed.` and before the random part. */
  readonly name: string
  readonly writer: ObjectWriter
}

/** Streams a file of any size into objects; in parts when it is larger than `partBytes` (spec 07, 7.1.6). `register` is told
 *  of each writer while it is at work. Throws EntryReadError for the source, other errors for the storage. */
export async function uploadLargeFile(
  context: UploadContext,
  path: string | Buffer,
  sizeBytes: number,
  name: string,
  options: ObjectWriterOptions,
  partBytes: number,
  register: (file: FileInProgress) => () => void,
): Promise<UploadedFile> {
  let handle: FileHandle
  try {
    handle = await open(path, openFlags)
  } catch (error) {
    throw readError(error)
  }
  try {
    if (partBytes <= 0 || sizeBytes <= partBytes)
      return await context.largeFiles.run(() => uploadPart(context, handle, 0, Number.POSITIVE_INFINITY, name, options, register))
    const partCount = Math.floor(sizeBytes / partBytes) + 1
    const parts = await Promise.allSettled(
      Array.from({ length: partCount }, (_, i) =>
        context.largeFiles.run(() => {
          const length = i === partCount - 1 ? Number.POSITIVE_INFINITY : partBytes
          return uploadPart(context, handle, i * partBytes, length, randomUUID(), options, register)
        }),
      ),
    )
    const done: UploadedFile[] = []
    for (const p of parts) {
      if (p.status === 'rejected') throw p.reason
      done.push(p.value)
    }
    const objectId = await context.repository.objects.concatenate(
      done.map((p) => p.objectId),
      options.metadataCompressor,
    )
    return { objectId, sizeBytes: done.reduce((sum, p) => sum + p.sizeBytes, 0) }
  } finally {
    await handle.close()
  }
}

async function uploadPart(
  context: UploadContext,
  handle: FileHandle,
  start: number,
  length: number,
  name: string,
  options: ObjectWriterOptions,
  register: (file: FileInProgress) => () => void,
): Promise<UploadedFile> {
  const writer = context.repository.objects.createWriter(options)
  const unregister = register({ name, writer })
  let done = false
  try {
    const sizeBytes = await pump(context, handle, start, length, writer)
    const objectId = await writer.finish()
    done = true
    context.counters.fileCount++
    return { objectId, sizeBytes }
  } finally {
    unregister()
    if (!done) writer.abort()
  }
}

/** Copies [start, start + length) into the writer, reading the next piece while the last one is being written. */
async function pump(context: UploadContext, handle: FileHandle, start: number, length: number, writer: ObjectWriter): Promise<number> {
  let spare = Buffer.allocUnsafeSlow(readBytes)
  let other = Buffer.allocUnsafeSlow(readBytes)
  const fetch = (into: Buffer, at: number) => {
    const want = Math.min(readBytes, start + length - at)
    if (want <= 0) return Promise.resolve(0)
    return handle.read(into, 0, want, at).then(
      (r) => r.bytesRead,
      (error: unknown) => Promise.reject(readError(error)),
    )
  }
  let at = start
  let next = fetch(spare, at)
  for (;;) {
    const got = await next
    if (got === 0) return at - start
    if (context.stop.stopped) throw new UploadStoppedError('the upload was stopped')
    const piece = spare.subarray(0, got)
    at += got
    next = fetch(other, at)
    // Seen only when awaited; without this an early failure of the write would leave it unhandled.
    next.catch(() => undefined)
    const swap = other
    other = spare
    spare = swap
    await writer.write(piece)
    context.stop.count(got)
    context.observer.hashedBytes?.(got)
  }
}
