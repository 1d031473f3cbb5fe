import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import type { FileEntryWithStats, Stats } from 'ssh2'
import { mapLimited } from '#base/limit.ts'
import { StorageError, StorageFullError } from '../errors.ts'
import { type FileTree, type TreeEntry, TreeFileExistsError, type TreeWriteOptions } from '../file-tree.ts'
import type { ByteRange } from '../storage.ts'
import { externalSession } from './external.ts'
import type { SftpOptions } from './options.ts'
import { connectSession, defaultStallMs, type SftpSession } from './session.ts'

// 128 KiB x 16 fills the channel's window of 2 MiB.
const requestBytes = 128 * 1024
const requestsInFlight = 16
const noSuchFile = 2
const failure = 4
const noSpace = 'the server has no space left. Free some space or raise the quota, then try again.'
const maxConnections = 4
/** With this many requests unanswered on every connection another one is made. */
const busyRequests = 2 * requestsInFlight

interface Volume {
  readonly f_bsize: number
  readonly f_frsize: number
  readonly f_blocks: number
  readonly f_bavail: number
}

const statusOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code
const isMissing = (error: unknown): boolean => statusOf(error) === noSuchFile

/** Files below a folder of an SFTP server; a few connections, made when the others are busy, and made anew when they were lost. */
export class SftpTree implements FileTree {
  readonly #sessions: SftpSession[] = []
  #connecting: Promise<SftpSession> | undefined
  #isClosed = false
  #hasCapacity = false

  /** A connection on which nothing is heard for `stallMs` although answers are due is given up. */
  constructor(
    private readonly options: SftpOptions,
    private readonly stallMs = defaultStallMs,
  ) {}

  /** Connects and makes the root with its parents if it is missing. Errors as for connectSession. */
  async open(): Promise<void> {
    const session = await this.session()
    try {
      await session.request<Stats>((done) => session.sftp.stat(this.options.path, done))
    } catch (error) {
      if (!isMissing(error)) throw this.translate(error, 'look at', '')
      await this.makeFolder(session, this.options.path, '/')
    }
    this.#hasCapacity = await this.capacity().then(
      () => true,
      () => false,
    )
  }

  /** Whether the server says how large its volume is, as far as open() could tell. */
  get hasCapacity(): boolean {
    return this.#hasCapacity
  }

  /** Size and free space of the volume that the root lies on (statvfs@openssh.com). */
  async capacity(): Promise<{ totalBytes: bigint; freeBytes: bigint }> {
    const session = await this.session()
    try {
      const volume = await session.request<Volume>((done) => {
        try {
          session.sftp.ext_openssh_statvfs(this.options.path, done as never)
        } catch (error) {
          done(error as Error)
        }
      })
      const unit = BigInt(volume.f_frsize || volume.f_bsize)
      return { totalBytes: BigInt(volume.f_blocks) * unit, freeBytes: BigInt(volume.f_bavail) * unit }
    } catch (error) {
      throw this.translate(error, 'find the capacity of', '')
    }
  }

  async read(path: string, range?: ByteRange): Promise<Buffer | undefined> {
    const session = await this.session()
    let handle: Buffer
    try {
      handle = await session.request<Buffer>((done) => session.sftp.open(this.full(path), 'r', done))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw this.translate(error, 'read', path)
    }
    try {
      const start = range?.offset ?? 0
      const length = range?.length ?? (await session.request<Stats>((done) => session.sftp.fstat(handle, done))).size
      const into = Buffer.allocUnsafe(length)
      let end = length
      await mapLimited(offsets(length), requestsInFlight, async (at) => {
        const stop = Math.min(at + requestBytes, length)
        for (let from = at; from < stop; ) {
          const got = await session.request<number>((done) => session.sftp.read(handle, into, from, stop - from, start + from, done))
          if (got === 0) {
            end = Math.min(end, from)
            return
          }
          from += got
        }
      })
      return into.subarray(0, end)
    } catch (error) {
      throw this.translate(error, 'read', path)
    } finally {
      if (!session.isLost) session.sftp.close(handle, () => undefined)
    }
  }

  async stat(path: string): Promise<TreeEntry | undefined> {
    const session = await this.session()
    try {
      const found = await session.request<Stats>((done) => session.sftp.stat(this.full(path), done))
      return entryOf(posix.basename(path), found)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw this.translate(error, 'look at', path)
    }
  }

  async list(folder: string): Promise<readonly TreeEntry[] | undefined> {
    const session = await this.session()
    try {
      const found = await session.request<FileEntryWithStats[]>((done) => session.sftp.readdir(this.full(folder), done))
      return found.filter((f) => f.attrs.isFile() || f.attrs.isDirectory()).map((f) => entryOf(f.filename, f.attrs))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw this.translate(error, 'list', folder)
    }
  }

  async write(path: string, parts: readonly Uint8Array[], options: TreeWriteOptions): Promise<{ sizeBytes: number; modifiedMs: number }> {
    const session = await this.session()
    const target = this.full(path)
    const temporary = `${target}.tmp.${randomBytes(8).toString('hex')}`
    try {
      const handle = await this.create(session, temporary)
      try {
        const info = await this.fill(session, handle, parts, options.modifiedMs)
        await session.request<void>((done) => session.sftp.close(handle, done))
        await this.place(session, temporary, target, options.exclusive === true)
        return info
      } catch (error) {
        const isFull = await this.isFull(error, parts)
        if (!session.isLost) session.sftp.unlink(temporary, () => undefined)
        if (isFull) throw new StorageFullError(`cannot write ${target} on ${this.options.host}: ${noSpace}`, { cause: error })
        throw error
      }
    } catch (error) {
      if (error instanceof TreeFileExistsError) throw error
      throw this.translate(error, 'write', path)
    }
  }

  async remove(path: string): Promise<void> {
    const session = await this.session()
    await session
      .request<void>((done) => session.sftp.unlink(this.full(path), done))
      .catch((error: unknown) => {
        if (!isMissing(error)) throw this.translate(error, 'delete', path)
      })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#connecting?.catch(() => undefined)
    for (const session of this.#sessions.splice(0)) session.lose(new Error('the storage was closed'))
  }

  /** The connection with the least to do. When all are busy another is made for whoever comes later; who finds none waits for it. */
  private async session(): Promise<SftpSession> {
    for (let i = this.#sessions.length - 1; i >= 0; i--) if (this.#sessions[i]?.isLost) this.#sessions.splice(i, 1)
    const [first, ...others] = this.#sessions
    if (!first) return this.connect()
    const calmest = others.reduce((best, session) => (session.waiting < best.waiting ? session : best), first)
    if (calmest.waiting >= busyRequests && this.#sessions.length < maxConnections) this.connect().catch(() => undefined)
    return calmest
  }

  private connect(): Promise<SftpSession> {
    this.#connecting ??= this.newSession().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  private async newSession(): Promise<SftpSession> {
    const session = await (this.options.externalSsh ? externalSession(this.options) : connectSession(this.options, this.stallMs))
    if (this.#isClosed) session.lose(new Error('the storage was closed'))
    else this.#sessions.push(session)
    return session
  }

  private full(path: string): string {
    return path === '' ? this.options.path : posix.join(this.options.path, path)
  }

  private async create(session: SftpSession, temporary: string): Promise<Buffer> {
    const open = () => session.request<Buffer>((done) => session.sftp.open(temporary, 'wx', done))
    try {
      return await open()
    } catch (error) {
      if (!isMissing(error)) throw error
      await this.makeFolder(session, posix.dirname(temporary), this.options.path)
      return open()
    }
  }

  /** Makes a folder with what is missing above it, but never `root`. */
  private async makeFolder(session: SftpSession, folder: string, root: string): Promise<void> {
    const make = () => session.request<void>((done) => session.sftp.mkdir(folder, done))
    if (posix.relative(root, folder) === '') throw new StorageError(`the storage folder ${root} on ${this.options.host} is missing`)
    try {
      await make()
    } catch (error) {
      if (isMissing(error)) {
        await this.makeFolder(session, posix.dirname(folder), root)
        await make().catch(() => undefined)
      }
      // SFTP version 3 has no status for "exists already".
      const found = await session.request<Stats>((done) => session.sftp.stat(folder, done)).catch(() => undefined)
      if (!found?.isDirectory()) throw this.translate(error, 'make the folder of', folder)
    }
  }

  private async fill(session: SftpSession, handle: Buffer, parts: readonly Uint8Array[], modifiedMs: number | undefined) {
    const { sftp } = session
    await mapLimited(chunksOf(parts), requestsInFlight, ({ data, at }) =>
      session.request<void>((done) => sftp.write(handle, data, 0, data.length, at, done)),
    )
    await session.request<void>((done) => withExtension(() => sftp.ext_openssh_fsync(handle, done), done))
    if (modifiedMs !== undefined)
      await session.request<void>((done) => sftp.futimes(handle, Math.floor(modifiedMs / 1000), Math.floor(modifiedMs / 1000), done))
    const { size, mtime } = await session.request<Stats>((done) => sftp.fstat(handle, done))
    return { sizeBytes: size, modifiedMs: mtime * 1000 }
  }

  private async place(session: SftpSession, temporary: string, target: string, exclusive: boolean): Promise<void> {
    const { sftp } = session
    const exists = () =>
      session
        .request<Stats>((done) => sftp.stat(target, done))
        .then(
          () => true,
          () => false,
        )
    if (exclusive) {
      if (await exists()) throw new TreeFileExistsError(target)
      // The plain rename of SFTP version 3 does not replace.
      await session
        .request<void>((done) => sftp.rename(temporary, target, done))
        .catch(async (error: unknown) => {
          throw (await exists()) ? new TreeFileExistsError(target, { cause: error }) : error
        })
      return
    }
    await session.request<void>((done) => {
      try {
        sftp.ext_openssh_rename(temporary, target, done)
      } catch {
        sftp.rename(temporary, target, done)
      }
    })
  }

  /** OpenSSH says no more than "Failure" when there is no space left. */
  private async isFull(error: unknown, parts: readonly Uint8Array[]): Promise<boolean> {
    if (statusOf(error) !== failure || !this.#hasCapacity) return false
    const wanted = parts.reduce((sum, part) => sum + part.length, 0)
    const { freeBytes } = await this.capacity().catch(() => ({ freeBytes: BigInt(Number.MAX_SAFE_INTEGER) }))
    return freeBytes < wanted
  }

  private translate(error: unknown, verb: string, path: string): StorageError {
    if (error instanceof StorageError) return error
    const message = error instanceof Error ? error.message : String(error)
    const what = `cannot ${verb} ${this.full(path)} on ${this.options.host}`
    if (/no space|quota/i.test(message)) return new StorageFullError(`${what}: ${noSpace}`, { cause: error })
    return new StorageError(`${what}: ${message}`, { cause: error })
  }
}

/** A server without the extension is not asked for it. */
function withExtension(send: () => void, done: () => void): void {
  try {
    send()
  } catch {
    done()
  }
}

const entryOf = (name: string, s: Pick<Stats, 'size' | 'mtime' | 'isDirectory'>): TreeEntry => ({
  name,
  isFolder: s.isDirectory(),
  sizeBytes: s.size,
  modifiedMs: s.mtime * 1000,
})

function* offsets(length: number): Iterable<number> {
  for (let at = 0; at < length; at += requestBytes) yield at
}

/** The parts cut into requests; what lies within one part is not copied. */
function* chunksOf(parts: readonly Uint8Array[]): Iterable<{ data: Buffer; at: number }> {
  let at = 0
  for (const part of parts)
    for (let from = 0; from < part.length; from += requestBytes) {
      const data = part.subarray(from, from + requestBytes)
      yield { data: Buffer.from(data.buffer, data.byteOffset, data.length), at }
      at += data.length
    }
}
