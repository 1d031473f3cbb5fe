import { CredentialsError, StorageError, TransientStorageError } from '../errors.ts'
import type { FileTree, TreeEntry, TreeWriteOptions } from '../file-tree.ts'
import { HttpClient } from '../http/client.ts'
import { ShardedStorage } from '../sharded.ts'
import type { BackendType, ByteRange } from '../storage.ts'
import { WebdavTree } from '../webdav/tree.ts'
import { agentsTrusting } from '../webdav/trust.ts'
import { type RcloneAddress, RcloneChild } from './child.ts'
import { formatRcloneOptions, parseRcloneOptions, type RcloneOptions } from './options.ts'

/** Blobs in whatever rclone reaches. Source: spec 04, 4.3.9. */
export const rcloneBackend: BackendType<RcloneOptions> = {
  name: 'rclone',
  parse: parseRcloneOptions,
  async open(options, create) {
    const tree = await RcloneTree.start(options)
    const identity = { backend: 'rclone', displayName: `RClone ${options.remotePath}`, config: formatRcloneOptions(options) }
    return new ShardedStorage(identity, tree, options, create)
  },
}

/** The tree of a WebDAV server that rclone runs for us; started again when it has ended. */
class RcloneTree implements FileTree {
  #serving: Promise<Serving>
  #isClosed = false

  private constructor(
    private readonly options: RcloneOptions,
    serving: Serving,
  ) {
    this.#serving = Promise.resolve(serving)
  }

  static async start(options: RcloneOptions): Promise<RcloneTree> {
    return new RcloneTree(options, await Serving.start(options))
  }

  async read(path: string, range?: ByteRange): Promise<Buffer | undefined> {
    return this.fresh((tree) => tree.read(path, range))
  }

  async stat(path: string): Promise<TreeEntry | undefined> {
    return this.fresh((tree) => tree.stat(path))
  }

  async list(folder: string): Promise<readonly TreeEntry[] | undefined> {
    return this.fresh((tree) => tree.list(folder))
  }

  async write(path: string, parts: readonly Uint8Array[], options: TreeWriteOptions): Promise<{ sizeBytes: number; modifiedMs: number }> {
    return (await this.serving()).run((tree) => tree.write(path, parts, options))
  }

  async remove(path: string): Promise<void> {
    return (await this.serving()).run((tree) => tree.remove(path))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const serving = await this.#serving.catch(() => undefined)
    await serving?.stop()
  }

  private async fresh<T>(action: (tree: WebdavTree) => Promise<T>): Promise<T> {
    const serving = await this.serving()
    return serving.run(async (tree) => {
      await serving.forget()
      return action(tree)
    })
  }

  private async serving(): Promise<Serving> {
    const current = this.#serving
    const serving = await current.catch(() => undefined)
    if (serving && !serving.child.hasEnded) return serving
    if (this.#isClosed) throw new StorageError(`the storage of ${this.options.remotePath} is closed`)
    if (this.#serving === current) {
      this.#serving = (serving?.stop() ?? Promise.resolve()).then(() => Serving.start(this.options))
      this.#serving.catch(() => undefined)
    }
    return this.#serving
  }
}

/** One run of rclone. */
class Serving {
  readonly #tree: WebdavTree
  readonly #control: HttpClient

  private constructor(
    readonly child: RcloneChild,
    private readonly address: RcloneAddress,
    options: RcloneOptions,
  ) {
    const { davUrl, username, password, fingerprint } = address
    this.#tree = new WebdavTree({ ...options, url: davUrl, username, password, trustedServerCertificateFingerprint: fingerprint })
    this.#control = new HttpClient(agentsTrusting(fingerprint))
  }

  static async start(options: RcloneOptions): Promise<Serving> {
    const child = await RcloneChild.start(options, (line) => process.stderr.write(`rclone: ${line}\n`))
    return new Serving(child, await child.address, options)
  }

  /** Runs a call; one that fails because rclone has ended says so. */
  async run<T>(action: (tree: WebdavTree) => Promise<T>): Promise<T> {
    try {
      return await action(this.#tree)
    } catch (error) {
      if (this.child.hasEnded) throw this.child.endError()
      // These credentials are ours, made for this run: something else is wrong with the remote.
      if (error instanceof CredentialsError) throw new TransientStorageError(error.message, { cause: error })
      throw error
    }
  }

  /** Drops rclone's memory of folders, so that what others wrote is seen. */
  async forget(): Promise<void> {
    const { controlUrl, username, password } = this.address
    const reply = await this.#control.call({
      method: 'POST',
      url: new URL('vfs/forget', controlUrl).href,
      headers: {
        'Content-Type': 'application/json',
        Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
      },
      body: [Buffer.from('{}')],
      what: 'the request to rclone to look at its folders anew',
    })
    if (reply.status !== 200) throw new TransientStorageError(`rclone refuses to look at its folders anew: status ${reply.status}`)
  }

  async stop(): Promise<void> {
    await this.#tree.close()
    this.#control.close()
    await this.child.stop()
  }
}
