import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#base/clock.ts'
import type { BlobId } from '#repo/blob/storage.ts'
import type { CacheDirectory } from './cache-directory.ts'
import type { DiskCache } from './disk-cache.ts'

const lifeMs = 15 * 60_000
const sweepEveryMs = 5 * 60_000
const marker = Buffer.from('marker')

export type Change = 'add' | 'del'

/** Marker files of own recent puts and deletes, shared by the processes that share the cache directory. Source: spec 02, 6.4. */
export class OwnWrites {
  readonly #folder: string
  #sweptMs = 0

  constructor(
    directory: CacheDirectory,
    private readonly markers: DiskCache,
    private readonly clock: Clock,
  ) {
    this.#folder = join(directory.path, markers.name)
  }

  async note(id: BlobId, change: Change): Promise<void> {
    await this.markers.delete(`${change === 'add' ? 'del' : 'add'}${id}`)
    await this.markers.put(`${change}${id}`, marker)
  }

  /** Changes of the last 15 minutes to blobs whose name starts with `prefix`. A newer deletion wins over an older addition. */
  async recent(prefix: string): Promise<Map<BlobId, Change>> {
    const nowMs = this.clock.nowMs()
    const sweep = nowMs - this.#sweptMs > sweepEveryMs
    if (sweep) this.#sweptMs = nowMs
    const changes = new Map<BlobId, { change: Change; atMs: number }>()
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const match = /^(add|del)(.+)\.f$/.exec(name)
      if (!match || (!sweep && !(match[2] as string).startsWith(prefix))) continue
      const path = join(this.#folder, name)
      const found = await stat(path).catch(() => undefined)
      if (!found) continue
      if (nowMs - found.mtimeMs > lifeMs) {
        if (sweep) await unlink(path).catch(() => undefined)
        continue
      }
      const id = match[2] as string
      if (!id.startsWith(prefix)) continue
      const other = changes.get(id)
      if (!other || found.mtimeMs > other.atMs) changes.set(id, { change: match[1] as Change, atMs: found.mtimeMs })
    }
    return new Map([...changes].map(([id, { change }]) => [id, change]))
  }
}
