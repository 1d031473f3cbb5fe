import { randomBytes } from 'node:crypto'
import { mkdir, open, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeDirectoryBelow, syncDirectory, writeDurably } from '#base/durable.ts'
import { systemCode } from '#base/errors.ts'
import { BlobExistsError, BlobNotFoundError, BlobRangeError, StorageError, UnsupportedOptionError } from './errors.ts'
import { type FilesystemOptions, formatFilesystemOptions, parseFilesystemOptions } from './filesystem-options.ts'
import { listFolders } from './folder-walk.ts'
import { OpenFiles, readWithoutWaiting } from './open-files.ts'
import { checkRange } from './range.ts'
import { blobPath, defaultLayout, formatLayout, parseLayout, type ShardLayout, shardsFile } from './shard.ts'
import type { BackendType, BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from './storage.ts'
import { storageErrorOf } from './system-errors.ts'

const defaultFileMode = 0o600
const defaultDirMode = 0o700
/** Before memory is set aside for ranges beyond this, the size of the file is looked at: the index may say anything. */
const checkedRangeBytes = 32 << 20

/** What is longer is no blob, and is more than one read takes. */
const longestWholeBytes = 2 ** 31 - 1

/** Blobs as files below a folder, laid out as Kopia lays them out. Source: spec 04, 4.2 and 4.3.1. */
export const filesystemBackend: BackendType<FilesystemOptions> = {
  name: 'filesystem',
  parse: parseFilesystemOptions,
  async open(options, create) {
    if (create) await makeRoot(options)
    const info = await stat(options.path).catch((error: unknown) => {
      throw new StorageError(`cannot access the storage folder ${options.path}. Make it, or mount the volume that it lies on.`, {
        cause: error,
      })
    })
    if (!info.isDirectory()) throw new StorageError(`the storage path ${options.path} is not a folder`)
    return new FilesystemStorage(options, create)
  },
}

async function makeRoot(options: FilesystemOptions): Promise<void> {
  try {
    await mkdir(options.path, { recursive: true, mode: options.dirMode || defaultDirMode })
    await syncDirectory(dirname(options.path))
  } catch (error) {
    throw storageErrorOf(error, `cannot make the storage folder ${options.path}`)
  }
}

class FilesystemStorage implements BlobStorage {
  readonly backend = 'filesystem'
  readonly displayName: string
  readonly connection: { readonly type: string; readonly config: unknown }
  readonly extras: BlobExtras = {
    capacity: () => this.capacity(),
    withFile: async (id, use) => this.openFiles.use(await this.pathOf(id), use),
  }
  private readonly openFiles = new OpenFiles()
  private layout: ShardLayout | undefined
  private layoutLoading: Promise<ShardLayout> | undefined

  constructor(
    private readonly options: FilesystemOptions,
    private readonly create: boolean,
  ) {
    this.displayName = `Filesystem: ${options.path}`
    this.connection = { type: 'filesystem', config: formatFilesystemOptions(options) }
  }

  async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    const path = await this.pathOf(id)
    try {
      if (!range) return await readRegularFile(path)
      checkRange(id, range)
      if (range.length > checkedRangeBytes && range.offset + range.length > (await stat(path)).size)
        throw new BlobRangeError(id, `wanted ${range.length} bytes at ${range.offset}`)
      const buffer = Buffer.allocUnsafe(range.length)
      const got = await this.openFiles.read(path, buffer, range.offset)
      if (got < range.length) throw new BlobRangeError(id, `wanted ${range.length} bytes at ${range.offset}, got ${got}`)
      // An empty range reads nothing, so only the size tells whether it lies inside.
      if (range.length === 0 && range.offset > (await stat(path)).size) throw new BlobRangeError(id, `there is no byte ${range.offset}`)
      return buffer
    } catch (error) {
      throw this.translate(error, id, 'read')
    }
  }

  async stat(id: BlobId): Promise<BlobInfo> {
    const path = await this.pathOf(id)
    try {
      const { size, mtimeMs } = await stat(path)
      return { id, sizeBytes: size, modifiedMs: mtimeMs }
    } catch (error) {
      throw this.translate(error, id, 'look at')
    }
  }

  list(prefix: BlobId): AsyncIterable<BlobInfo> {
    return listFolders(this.options.path, prefix, this.options.listParallelism)
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    if (options.retention) throw new UnsupportedOptionError(this.backend, 'retention')
    const path = await this.pathOf(id)
    const write = () =>
      writeDurably(path, parts, {
        mode: this.options.fileMode || defaultFileMode,
        temporaryPath: `${path}.tmp.${randomBytes(8).toString('hex')}`,
        ...this.owner(),
        ...(options.modifiedMs === undefined ? {} : { modifiedMs: options.modifiedMs }),
        ...(options.onlyIfAbsent ? { exclusive: true } : {}),
      })
    try {
      return { id, ...(await this.changing(path, write)) }
    } catch (error) {
      if (systemCode(error) === 'EEXIST') throw new BlobExistsError(id, { cause: error })
      if (systemCode(error) !== 'ENOENT') throw this.translate(error, id, 'write')
    }
    try {
      await makeDirectoryBelow(this.options.path, dirname(path), this.options.dirMode || defaultDirMode)
      return { id, ...(await write()) }
    } catch (error) {
      if (systemCode(error) === 'EEXIST') throw new BlobExistsError(id, { cause: error })
      throw storageErrorOf(error, `cannot write blob ${id} in ${this.options.path}`)
    }
  }

  async delete(id: BlobId): Promise<void> {
    const path = await this.pathOf(id)
    await this.changing(path, () => unlink(path)).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw this.translate(error, id, 'delete')
    })
  }

  async close(): Promise<void> {
    this.openFiles.close()
  }

  /** Runs a change of a file with no reader's descriptor kept open, neither before it (some systems refuse then) nor after. */
  private async changing<T>(path: string, change: () => Promise<T>): Promise<T> {
    this.openFiles.forget(path)
    try {
      return await change()
    } finally {
      this.openFiles.forget(path)
    }
  }

  private owner(): { owner?: { uid: number; gid: number } } {
    const { uid, gid } = this.options
    return uid !== undefined && gid !== undefined && process.geteuid?.() === 0 ? { owner: { uid, gid } } : {}
  }

  private translate(error: unknown, id: BlobId, verb: string): unknown {
    if (error instanceof StorageError || error instanceof BlobRangeError) return error
    if (systemCode(error) === 'ENOENT') return new BlobNotFoundError(id, { cause: error })
    return storageErrorOf(error, `cannot ${verb} blob ${id} in ${this.options.path}`)
  }

  private async pathOf(id: BlobId): Promise<string> {
    if (id === '' || /[/\\\0]/.test(id)) throw new StorageError(`"${id}" is not a name that a blob can have in a filesystem storage`)
    this.layout ??= await this.loadLayout()
    const path = blobPath(this.layout, id)
    if (/(?:^|\/)\.\.?\//.test(path)) throw new StorageError(`the blob "${id}" would lie outside of its folder in a filesystem storage`)
    return join(this.options.path, path)
  }

  private loadLayout(): Promise<ShardLayout> {
    this.layoutLoading ??= this.readLayout().finally(() => {
      this.layoutLoading = undefined
    })
    return this.layoutLoading
  }

  private async readLayout(): Promise<ShardLayout> {
    const path = join(this.options.path, shardsFile)
    let text: string
    try {
      text = (await readRegularFile(path)).toString('utf8')
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw storageErrorOf(error, `cannot read ${path}`)
      const layout = defaultLayout(this.options.dirShards, this.create)
      const mode = this.options.fileMode || defaultFileMode
      // Spec 04, 4.2.1: the file is written even on a read; a storage that we may not write works without it.
      await writeDurably(path, [Buffer.from(formatLayout(layout))], { mode, ...this.owner() }).catch(() => undefined)
      return layout
    }
    try {
      return parseLayout(text)
    } catch (error) {
      throw new StorageError(`cannot understand ${path}, which says how blobs are spread over folders`, { cause: error })
    }
  }

  private async capacity(): Promise<{ totalBytes: bigint; freeBytes: bigint }> {
    try {
      const volume = await statfs(this.options.path, { bigint: true })
      return { totalBytes: volume.blocks * volume.bsize, freeBytes: volume.bavail * volume.bsize }
    } catch (error) {
      throw storageErrorOf(error, `cannot find the capacity of ${this.options.path}`)
    }
  }
}

/** All bytes of a file. Whatever else has the name (a folder, a pipe, a device that never ends) is an error. */
async function readRegularFile(path: string): Promise<Buffer> {
  const handle = await open(path, readWithoutWaiting)
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw new StorageError(`${path} is not a regular file`)
    if (stats.size > longestWholeBytes)
      throw new StorageError(`${path} has ${stats.size} bytes, which no blob of a repository has; see what wrote it.`)
    // In one piece: readFile of a handle takes half a mebibyte at a time.
    const bytes = Buffer.allocUnsafeSlow(stats.size)
    let length = 0
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return length === bytes.length ? bytes : bytes.subarray(0, length)
  } finally {
    await handle.close()
  }
}
