import { randomUUID } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { mapLimited } from '#base/limit.ts'
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
const slabBytes = 4 << 20

/** A pipe reads as an empty file, a device maybe for ever. Throws EntryReadError. */
function checkRegular(stats: Stats): void {
  if (!stats.isFile()) throw new EntryReadError('it is no regular file any more')
}

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
        // Any other short read is no proof: network and kernel file systems give less than they have.
        if (got === 0 || (got < room && end - start === sizeBytes)) break
        room = Math.min(limitBytes - (end - start), slab.bytes.length - end)
        if (room <= 0) return undefined
      }
      if (end - start !== sizeBytes) checkRegular(fstatSync(fd))
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

export interface LargeFile {
  readonly path: string | Buffer
  /** As lstat gave it. */
  readonly sizeBytes: number
  readonly name: string
  readonly options: ObjectWriterOptions
  /** Is told of each writer while it is at work; gives what ends that. */
  readonly register: (file: FileInProgress) => () => void
}

/** Streams a file of any size into objects; in parts when it is larger than `partBytes`, unless that is 0 or less (spec 07, 7.1.6).
 *  Throws EntryReadError for the source, other errors for the storage. */
export async function uploadLargeFile(context: UploadContext, file: LargeFile, partBytes: number): Promise<UploadedFile> {
  const isSplit = partBytes > 0 && file.sizeBytes > partBytes
  const partCount = isSplit ? Math.floor(file.sizeBytes / partBytes) + 1 : 1
  // Opened when the first part's turn comes: a folder of large files would need more descriptors than there are.
  let opened: Promise<FileHandle> | undefined
  try {
    const parts = await mapLimited(indexes(partCount), context.largeFiles.limit, (i) =>
      context.largeFiles.run(async () => {
        if (context.stop.stopped) throw new UploadStoppedError('the upload was stopped')
        opened ??= openRegular(file.path)
        const length = i === partCount - 1 ? Number.POSITIVE_INFINITY : partBytes
        return uploadPart(context, await opened, i * partBytes, length, isSplit ? { ...file, name: randomUUID() } : file)
      }),
    )
    if (!isSplit) return parts[0] as UploadedFile
    const objectId = await context.repository.objects.concatenate(
      parts.map((p) => p.objectId),
      file.options.metadataCompressor,
    )
    return { objectId, sizeBytes: parts.reduce((sum, p) => sum + p.sizeBytes, 0) }
  } finally {
    await opened?.then(
      (handle) => handle.close(),
      () => undefined,
    )
  }
}

function* indexes(count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield i
}

async function openRegular(path: string | Buffer): Promise<FileHandle> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, openFlags)
    checkRegular(await handle.stat())
    return handle
  } catch (error) {
    await handle?.close()
    throw readError(error)
  }
}

async function uploadPart(
  context: UploadContext,
  handle: FileHandle,
  start: number,
  length: number,
  file: LargeFile,
): Promise<UploadedFile> {
  const writer = context.repository.objects.createWriter(file.options)
  const unregister = file.register({ name: file.name, writer })
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

/** Writes the file's bytes [start, start + length), as far as there are any. Gives how many. */
async function pump(context: UploadContext, handle: FileHandle, start: number, length: number, writer: ObjectWriter): Promise<number> {
  let at = start
  await writer.fill(async (into) => {
    if (context.stop.stopped) throw new UploadStoppedError('the upload was stopped')
    const want = Math.min(into.length, start + length - at)
    if (want <= 0) return 0
    const { bytesRead } = await handle.read(into, 0, want, at).catch((error: unknown) => Promise.reject(readError(error)))
    at += bytesRead
    if (bytesRead > 0) {
      context.stop.count(bytesRead)
      context.observer.hashedBytes?.(bytesRead)
    }
    return bytesRead
  })
  return at - start
}
