import { mapLimited } from '#base/limit.ts'
import { BlobExistsError, BlobNotFoundError, BlobRangeError, StorageError, UnsupportedOptionError } from './errors.ts'
import { type FileTree, TreeFileExistsError } from './file-tree.ts'
import { checkRange } from './range.ts'
import { blobIdOf, blobPath, defaultLayout, formatLayout, mayHold, parseLayout, type ShardLayout, shardsFile } from './shard.ts'
import type { ShardedOptions } from './sharded-options.ts'
import type { BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from './storage.ts'
import { defaultRetryPolicy, retryTransient } from './wrap/retry.ts'

/** Before memory is set aside for ranges beyond this, the size of the file is looked at: the index may say anything. */
const checkedRangeBytes = 32 << 20
const defaultListParallelism = 16

export interface ShardedIdentity {
  readonly backend: string
  readonly displayName: string
  readonly config: unknown
  readonly extras?: BlobExtras
}

/** Blobs as files of a server, laid out as in a local folder. Source: spec 04, 4.2. */
export class ShardedStorage implements BlobStorage {
  readonly backend: string
  readonly displayName: string
  readonly connection: { readonly type: string; readonly config: unknown }
  readonly extras: BlobExtras
  private layout: ShardLayout | undefined
  private layoutLoading: Promise<ShardLayout> | undefined

  constructor(
    identity: ShardedIdentity,
    private readonly tree: FileTree,
    private readonly options: ShardedOptions,
    private readonly create: boolean,
  ) {
    this.backend = identity.backend
    this.displayName = identity.displayName
    this.connection = { type: identity.backend, config: identity.config }
    this.extras = identity.extras ?? {}
  }

  async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    const path = await this.pathOf(id)
    if (range) checkRange(id, range)
    if (range && (range.length === 0 || range.length > checkedRangeBytes)) {
      const { sizeBytes } = await this.stat(id)
      if (range.offset + range.length > sizeBytes)
        throw new BlobRangeError(id, `wanted ${range.length} bytes at ${range.offset}, it has ${sizeBytes}`)
      if (range.length === 0) return Buffer.alloc(0)
    }
    const data = await this.tree.read(path, range)
    if (!data) throw new BlobNotFoundError(id)
    if (range && data.length !== range.length)
      throw new BlobRangeError(id, `wanted ${range.length} bytes at ${range.offset}, got ${data.length}`)
    return data
  }

  async stat(id: BlobId): Promise<BlobInfo> {
    const entry = await this.tree.stat(await this.pathOf(id))
    if (!entry || entry.isFolder) throw new BlobNotFoundError(id)
    return { id, sizeBytes: entry.sizeBytes, modifiedMs: entry.modifiedMs }
  }

  async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    const parallelism = this.options.listParallelism || defaultListParallelism
    const waiting = [{ path: '', name: '' }]
    while (waiting.length > 0) {
      const batch = waiting.splice(-parallelism)
      const found = await mapLimited(batch, parallelism, (folder) =>
        retryTransient(`listing ${this.displayName}`, defaultRetryPolicy, () => this.tree.list(folder.path)),
      )
      for (const [i, entries] of found.entries()) {
        const folder = batch[i] as { path: string; name: string }
        if (!entries && folder.path === '') throw new StorageError(`the folder of the storage ${this.displayName} is missing`)
        for (const entry of entries ?? []) {
          const name = folder.name + entry.name
          if (entry.isFolder) {
            if (mayHold(name, prefix)) waiting.push({ path: folder.path === '' ? entry.name : `${folder.path}/${entry.name}`, name })
            continue
          }
          const id = blobIdOf(name, prefix)
          if (id !== undefined) yield { id, sizeBytes: entry.sizeBytes, modifiedMs: entry.modifiedMs }
        }
      }
    }
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    if (options.retention) throw new UnsupportedOptionError(this.backend, 'retention')
    const path = await this.pathOf(id)
    try {
      const { modifiedMs, onlyIfAbsent } = options
      return {
        id,
        ...(await this.tree.write(path, parts, {
          ...(modifiedMs === undefined ? {} : { modifiedMs }),
          ...(onlyIfAbsent ? { exclusive: true } : {}),
        })),
      }
    } catch (error) {
      if (error instanceof TreeFileExistsError) throw new BlobExistsError(id, { cause: error })
      throw error
    }
  }

  async delete(id: BlobId): Promise<void> {
    await this.tree.remove(await this.pathOf(id))
  }

  close(): Promise<void> {
    return this.tree.close()
  }

  private async pathOf(id: BlobId): Promise<string> {
    if (id === '' || /[/\\\0]/.test(id)) throw new StorageError(`"${id}" is not a name that a blob can have in a ${this.backend} storage`)
    this.layout ??= await this.loadLayout()
    const path = blobPath(this.layout, id)
    if (/(?:^|\/)\.\.?\//.test(path))
      throw new StorageError(`the blob "${id}" would lie outside of its folder in a ${this.backend} storage`)
    return path
  }

  private loadLayout(): Promise<ShardLayout> {
    this.layoutLoading ??= this.readLayout().finally(() => {
      this.layoutLoading = undefined
    })
    return this.layoutLoading
  }

  private async readLayout(): Promise<ShardLayout> {
    const text = await this.tree.read(shardsFile)
    if (!text) {
      const layout = defaultLayout(this.options.dirShards, this.create)
      // Spec 04, 4.2.1: the file is written even on a read; a storage that we may not write works without it.
      await this.tree.write(shardsFile, [Buffer.from(formatLayout(layout))], {}).catch(() => undefined)
      return layout
    }
    try {
      return parseLayout(text.toString('utf8'))
    } catch (error) {
      throw new StorageError(`cannot understand ${shardsFile} of ${this.displayName}, which says how blobs are spread over folders`, {
        cause: error,
      })
    }
  }
}
