import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#base/clock.ts'
import { mapLimited } from '#base/limit.ts'
import type { CacheLimits } from './cache-options.ts'

const statParallelism = 8
const staleTemporaryMs = 3_600_000

interface Entry {
  sizeBytes: number
  usedMs: number
}

/** What a cache folder holds, counted once per process before its first insert, and the sweep that keeps it within its limits.
 *  Source: spec 02, 6.4. */
export class CacheUsage {
  /** By path; insertion order is roughly age order, the sweep sorts. */
  readonly #entries = new Map<string, Entry>()
  #totalBytes = 0
  #scanned: Promise<void> | undefined
  #sweeping: Promise<void> | undefined

  constructor(
    private readonly folder: string,
    private readonly limits: CacheLimits,
    private readonly clock: Clock,
  ) {}

  /** Deletes old entries until `pendingBytes` more fit, as far as their ages allow. */
  async makeRoom(pendingBytes: number): Promise<void> {
    this.#scanned ??= this.#scan()
    await this.#scanned
    if (this.#totalBytes + pendingBytes <= this.limits.softBytes) return
    this.#sweeping ??= this.#sweep(pendingBytes).finally(() => {
      this.#sweeping = undefined
    })
    await this.#sweeping
  }

  added(path: string, sizeBytes: number): void {
    this.#totalBytes += sizeBytes - (this.#entries.get(path)?.sizeBytes ?? 0)
    this.#entries.set(path, { sizeBytes, usedMs: this.clock.nowMs() })
  }

  touched(path: string, nowMs: number): void {
    const entry = this.#entries.get(path)
    if (entry) entry.usedMs = nowMs
  }

  async #scan(): Promise<void> {
    const names = await readdir(this.folder, { withFileTypes: true }).catch(() => [])
    const files = names.filter((n) => n.isFile()).map((n) => join(this.folder, n.name))
    for (const folder of names.filter((n) => n.isDirectory())) {
      const inner = await readdir(join(this.folder, folder.name)).catch(() => [])
      files.push(...inner.map((name) => join(this.folder, folder.name, name)))
    }
    await mapLimited(files, statParallelism, (path) => this.#count(path))
  }

  async #count(path: string): Promise<void> {
    const found = await stat(path).catch(() => undefined)
    if (!found?.isFile()) return
    if (path.endsWith('.f')) {
      if (this.#entries.has(path)) return
      this.#entries.set(path, { sizeBytes: found.size, usedMs: found.mtimeMs })
      this.#totalBytes += found.size
    } else if (path.includes('.f.tmp.') && this.clock.nowMs() - found.mtimeMs > staleTemporaryMs) await unlink(path).catch(() => undefined)
  }

  async #sweep(pendingBytes: number): Promise<void> {
    const { softBytes, hardBytes, minAgeMs } = this.limits
    const oldest = [...this.#entries].sort((a, b) => a[1].usedMs - b[1].usedMs)
    const nowMs = this.clock.nowMs()
    for (const [path, entry] of oldest) {
      const wantedBytes = this.#totalBytes + pendingBytes
      if (wantedBytes <= softBytes) return
      const overHardLimit = hardBytes > 0 && wantedBytes > hardBytes
      if (nowMs - entry.usedMs < minAgeMs && !overHardLimit) return
      await unlink(path).catch(() => undefined)
      if (this.#entries.delete(path)) this.#totalBytes -= entry.sizeBytes
    }
  }
}
