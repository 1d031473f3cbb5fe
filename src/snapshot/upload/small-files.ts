import { closeSync, constants, openSync, readSync } from 'node:fs'
import { nativeAddon } from '#base/native.ts'
import type { ObjectId, ObjectManager, ObjectWriterOptions } from '#repo/object/object.ts'

/** A small file that waits for its batch. */
export interface SmallFile {
  readonly path: string | Buffer
  /** As lstat gave it. */
  readonly sizeBytes: number
  readonly options: ObjectWriterOptions
  /** It is about to be read; false when it is not to be any more: the upload was stopped. */
  begin(): boolean
  /** So much was read; false when it is not to be stored: the upload was stopped. */
  read(sizeBytes: number): boolean
  /** It is stored; its length is `sizeBytes`. */
  stored(id: ObjectId): void
  /** It is not as it was listed, or cannot be read: it has to be looked at by itself. */
  takeCare(): void
  /** Neither: the upload was stopped, or has failed. */
  dropped(): void
}

const batchBytes = 2 << 20
const batchCount = 512
/** One batch is read while another is hashed and a third is sealed. */
const batchesInFlight = 3
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const needsCare = -1

/** Reads small files of many directories in batches and stores each batch together. A batch goes when it is full, or when everything else
 *  waits (the event loop has come round). */
export class SmallFileBatches {
  #queue: SmallFile[] = []
  #bytes = 0
  #inFlight = 0
  #scheduled = false
  #waiters: (() => void)[] = []
  readonly #slabs: Buffer[] = []

  /** `fail` hears of the storage's errors. */
  constructor(
    readonly objects: ObjectManager,
    readonly fail: (error: unknown) => void,
  ) {}

  /** Undefined when there is room for more files; else resolves when it is worth asking again. */
  room(): Promise<void> | undefined {
    return this.#isFull && this.#inFlight >= batchesInFlight ? new Promise((resolve) => this.#waiters.push(resolve)) : undefined
  }

  add(file: SmallFile): void {
    this.#queue.push(file)
    this.#bytes += file.sizeBytes
    if (this.#isFull) this.#send()
    else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.#send()
      })
    }
  }

  get #isFull(): boolean {
    return this.#bytes >= batchBytes || this.#queue.length >= batchCount
  }

  #send(): void {
    if (this.#queue.length === 0 || this.#inFlight >= batchesInFlight) return
    const batch = this.#queue
    this.#queue = []
    this.#bytes = 0
    this.#inFlight++
    void this.#run(batch).finally(() => {
      this.#inFlight--
      this.#send()
      const waiters = this.#waiters
      this.#waiters = []
      for (const w of waiters) w()
    })
  }

  /** Never rejects; every file of the batch hears of its end. */
  async #run(batch: readonly SmallFile[]): Promise<void> {
    let slab: Buffer | undefined
    const begun = batch.filter((file) => {
      const goes = file.begin()
      if (!goes) file.dropped()
      return goes
    })
    let open: readonly SmallFile[] = begun
    try {
      const rooms = Uint32Array.from(begun, (f) => f.sizeBytes + 1)
      slab = this.#take(rooms.reduce((sum, room) => sum + room, 0))
      const lengths = await readFiles(
        begun.map((f) => f.path),
        rooms,
        slab,
      )
      const files: SmallFile[] = []
      const objects: { data: Uint8Array; options: ObjectWriterOptions }[] = []
      let at = 0
      for (let i = 0; i < begun.length; i++) {
        const file = begun[i] as SmallFile
        const length = lengths[i] as number
        if (length === needsCare) file.takeCare()
        else if (file.read(length)) {
          files.push(file)
          objects.push({ data: slab.subarray(at, at + length), options: file.options })
        } else file.dropped()
        at += rooms[i] as number
      }
      open = files
      const ids = objects.length === 0 ? [] : await this.objects.writeMany(objects)
      for (let i = 0; i < files.length; i++) (files[i] as SmallFile).stored(ids[i] as ObjectId)
    } catch (error) {
      this.fail(error)
      for (const file of open) file.dropped()
    } finally {
      if (slab && this.#slabs.length < batchesInFlight) this.#slabs.push(slab)
    }
  }

  #take(bytes: number): Buffer {
    const i = this.#slabs.findIndex((s) => s.length >= bytes)
    return i >= 0 ? (this.#slabs.splice(i, 1)[0] as Buffer) : Buffer.allocUnsafeSlow(Math.max(bytes, batchBytes + batchCount))
  }
}

/** Reads each file whole into its room of `slab`, one room behind the other; a room has one byte more than the file should. Gives the
 *  lengths; -1 for what has another length or cannot be read. One job of the thread pool where the addon is there. */
export async function readFiles(paths: readonly (string | Buffer)[], rooms: Uint32Array, slab: Buffer): Promise<Int32Array> {
  const addon = nativeAddon()
  const lengths = new Int32Array(paths.length)
  if (!addon) return readFilesHere(paths, rooms, slab, lengths)
  const packed = paths.every((p) => typeof p === 'string')
    ? Buffer.from(`${paths.join('\0')}\0`)
    : Buffer.concat(paths.flatMap((p) => [Buffer.from(p), Buffer.alloc(1)]))
  await addon.readFiles(packed, rooms, slab, lengths)
  return lengths
}

/** The twin. */
export function readFilesHere(paths: readonly (string | Buffer)[], rooms: Uint32Array, slab: Buffer, lengths: Int32Array): Int32Array {
  let at = 0
  for (let i = 0; i < paths.length; i++) {
    const room = rooms[i] as number
    lengths[i] = readSmall(paths[i] as string | Buffer, slab.subarray(at, at + room))
    at += room
  }
  return lengths
}

function readSmall(path: string | Buffer, into: Buffer): number {
  try {
    const fd = openSync(path, openFlags)
    try {
      let have = 0
      for (;;) {
        const got = readSync(fd, into, have, into.length - have, null)
        have += got
        // A short read proves the end of the file only where it was expected: network and kernel file systems give less than they have.
        if (got === 0 || have >= into.length - 1) return have === into.length - 1 ? have : needsCare
      }
    } finally {
      closeSync(fd)
    }
  } catch {
    return needsCare
  }
}
