import { chmod, lchown, mkdir, open, symlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, UsageError } from '#base/errors.ts'
import type { FrozenNode, Staging } from '../staging/staging.ts'

export interface ExportReport {
  readonly files: number
  readonly bytes: number
  /** What could not be written, with the reason. */
  readonly failures: readonly { readonly path: string; readonly message: string }[]
  /** Taken over as they are from a snapshot, so not written. */
  readonly unchanged: number
}

type FrozenFile = FrozenNode & { readonly kind: 'file' }

const pieceBytes = 1 << 20

/** Writes what is staged to a new folder: every changed file in full, and the folders and links above and beside it. What is unchanged is in
 *  the snapshots. A file that cannot be read is reported, the rest goes on. UsageError when the folder exists. Source: spec 08, 4.10. */
export async function exportStaging(staging: Staging, target: string): Promise<ExportReport> {
  try {
    await mkdir(target, { mode: 0o700 })
  } catch (error) {
    throw new UsageError(`cannot make the folder ${target} to export to: ${messageOf(error)}. Name one that does not exist.`)
  }
  const point = staging.freeze()
  try {
    const run = new Exporter()
    await run.directory(point.root, target, '')
    return run
  } finally {
    point.abandon()
  }
}

class Exporter implements ExportReport {
  files = 0
  bytes = 0
  unchanged = 0
  readonly failures: { path: string; message: string }[] = []

  async directory(node: FrozenNode & { readonly kind: 'directory' }, target: string, path: string): Promise<void> {
    for (const [name, child] of node.changes()) {
      if (child === undefined) continue
      if (!('kind' in child)) {
        this.unchanged++
        continue
      }
      const text = Buffer.from(name, 'latin1').toString()
      const below = path === '' ? text : `${path}/${text}`
      try {
        await this.#one(child, join(target, text), below)
      } catch (error) {
        this.failures.push({ path: below, message: messageOf(error) })
      }
    }
    await this.#attributes(node, target)
  }

  async #one(node: FrozenNode, target: string, path: string): Promise<void> {
    if (node.kind === 'directory') {
      await mkdir(target, { mode: 0o700 })
      await this.directory(node, target, path)
    } else if (node.kind === 'file') await this.#file(node, target)
    else if (node.kind === 'link') await symlink(node.target as Buffer, target)
    else this.failures.push({ path, message: 'a FIFO or socket has nothing that could be exported' })
  }

  async #file(node: FrozenFile, target: string): Promise<void> {
    const file = await open(target, 'wx', 0o600)
    try {
      // Holes stay holes.
      await file.truncate(node.sizeBytes)
      for (const extent of node.extents) {
        if (extent.source === 'zero') continue
        for (let at = extent.offset; at < extent.offset + extent.length; ) {
          const data = await node.read(at, Math.min(pieceBytes, extent.offset + extent.length - at))
          if (data.length === 0) throw new RangeError(`it ends at byte ${at}, before its size`)
          await file.writev([data], at)
          at += data.length
        }
      }
    } finally {
      await file.close()
    }
    await this.#attributes(node, target)
    this.files++
    this.bytes += node.sizeBytes
  }

  async #attributes({ attributes }: FrozenNode, target: string): Promise<void> {
    const { mode, uid, gid, modifiedNs } = attributes
    // Only root can give files away.
    await lchown(target, uid, gid).catch(() => undefined)
    await chmod(target, mode & 0o7777)
    const seconds = Number(modifiedNs / 1_000_000n) / 1000
    await utimes(target, seconds, seconds)
  }
}
