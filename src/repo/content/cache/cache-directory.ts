import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeAll } from '#base/durable.ts'
import { messageOf, systemCode } from '#base/errors.ts'

const tagSignature = 'Signature: 8a477f597d28d172789f06886806bc55'
const tagText = `${tagSignature}
# This file marks a cache directory of Kura and Kopia. Backup programs leave such directories out.
# For information about cache directory tags see https://bford.info/cachedir/
# Everything here may be deleted at any time.
`

/** The root of the disk caches. All failures end here: the first is reported, none fails the work. */
export class CacheDirectory {
  #complained = false
  #ready: Promise<boolean> | undefined

  constructor(
    readonly path: string,
    private readonly warn: (message: string) => void,
  ) {}

  /** Whether the directory exists or could be made; asked once. */
  ready(): Promise<boolean> {
    this.#ready ??= this.#prepare()
    return this.#ready
  }

  /** Makes a subdirectory; `shards` is the text of the sharding parameter file, '' for none. False when that fails. */
  async prepareFolder(name: string, shards: string): Promise<boolean> {
    if (!(await this.ready())) return false
    try {
      await mkdir(join(this.path, name), { recursive: true, mode: 0o700 })
      if (shards === '') return true
      const file = join(this.path, name, '.shards')
      if (!(await exists(file))) await writeCacheFile(file, [Buffer.from(shards)])
      return true
    } catch (error) {
      this.complain(error)
      return false
    }
  }

  complain(error: unknown): void {
    if (this.#complained) return
    this.#complained = true
    this.warn(
      `the cache in ${this.path} cannot be used: ${messageOf(error)}. Work goes on without it, slower. Check its permissions and space.`,
    )
  }

  async #prepare(): Promise<boolean> {
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 })
      const tag = join(this.path, 'CACHEDIR.TAG')
      const present = await readFile(tag, 'utf8').catch(() => '')
      if (!present.startsWith(tagSignature)) await writeFile(tag, tagText, { mode: 0o600 })
      return true
    } catch (error) {
      this.complain(error)
      return false
    }
  }
}

/** Writes a cache file by temporary file and rename, without fsync: cache data may be lost. Makes the folder it lies in when missing. */
export async function writeCacheFile(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.tmp.${randomBytes(8).toString('hex')}`
  const handle = await open(temporary, 'wx', 0o600).catch(async (error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    return open(temporary, 'wx', 0o600)
  })
  try {
    try {
      await writeAll(handle, parts)
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

const exists = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
