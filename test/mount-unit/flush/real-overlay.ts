import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileKind } from '#fuse/abi.ts'
import { lowerTree } from '#mount/backup/lower-tree.ts'
import { type FlushOptions, type FlushProgress, flushToSnapshot } from '#mount/flush/snapshot.ts'
import { overlayNode } from '#mount/node-ranges.ts'
import { openStaging } from '#mount/staging/open.ts'
import type { Staging, StagingOptions } from '#mount/staging/staging.ts'
import { emptyAttributes } from '#mount/table.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { formatSource } from '#snapshot/model/source-text.ts'

export const repositoryId = 'test'
const latin1 = (name: string): string => Buffer.from(name).toString('latin1')

/** The overlay of a source as a mount opens it, without the mount. */
export function openOverlay(
  repository: Repository,
  directory: string,
  path: string,
  lower?: Snapshot,
  over: Partial<StagingOptions> = {},
): Promise<Staging> {
  const root = lower?.rootEntry
  return openStaging(
    {
      directory,
      repositoryId,
      source: formatSource({ user: 'user', host: 'host', path }),
      lower: lower && root && root.objectId !== '' ? { snapshotId: lower.id, rootObject: root.objectId, root } : undefined,
      xattrs: 'refuse',
      spoolLimitBytes: 4 * 2 ** 30,
      spoolReserveBytes: 0,
      owner: { uid: 1, gid: 2 },
      takeOver: false,
      firstNode: overlayNode(0),
      nowNs: () => repository.clock.nowNs(),
      warn: () => undefined,
      ...over,
    },
    lowerTree(repository, { maxCachedBytes: 1 << 20, timeoutMs: 60_000 }),
  )
}

export const flushOptions = (path: string, staging: Staging, over: Partial<FlushOptions> = {}): FlushOptions => ({
  source: { user: 'user', host: 'host', path },
  description: '',
  tags: {},
  pins: [],
  keepRubbish: false,
  keepIdentical: false,
  lowerId: staging.lower?.snapshotId,
  ...over,
})

export const flushNow = (
  repository: Repository,
  path: string,
  staging: Staging,
  progress: FlushProgress = {},
  over: Partial<FlushOptions> = {},
) => flushToSnapshot(repository, staging.freeze(), flushOptions(path, staging, over), progress)

/** Copies a local folder into a folder of the overlay, with owners, modes and times, as `cp -a` does. */
export async function copyIn(staging: Staging, local: string, into = staging.root): Promise<void> {
  const owner = { uid: 1, gid: 2 }
  for (const name of readdirSync(local)) {
    const path = join(local, name)
    const stats = lstatSync(path)
    const at = latin1(name)
    if (stats.isDirectory()) await copyIn(staging, path, await staging.make(into, at, fileKind.directory | 0o700, owner))
    else if (stats.isSymbolicLink())
      await attributesOf(staging, path, await staging.makeLink(into, at, Buffer.from(readlinkSync(path)), owner))
    else {
      const node = await staging.make(into, at, fileKind.regular | 0o600, owner)
      await staging.write(node, 0, readFileSync(path), false)
      await attributesOf(staging, path, node)
    }
  }
  await attributesOf(staging, local, into)
}

async function attributesOf(staging: Staging, path: string, node: number): Promise<void> {
  const stats = lstatSync(path, { bigint: true })
  const modified = { seconds: Number(stats.mtimeNs / 1_000_000_000n), ns: Number(stats.mtimeNs % 1_000_000_000n) }
  await staging.setAttributes(node, { mode: Number(stats.mode), uid: Number(stats.uid), gid: Number(stats.gid), modified })
}

export async function nodeAt(staging: Staging, path: string): Promise<number> {
  let node = staging.root
  for (const name of path.split('/').filter(Boolean)) {
    const next = await staging.lookup(node, latin1(name))
    if (next === undefined) throw new Error(`there is no ${path}`)
    node = next
  }
  return node
}

/** Writes a whole file; what it held before is gone. */
export async function put(staging: Staging, path: string, content: string | Uint8Array): Promise<number> {
  const at = path.lastIndexOf('/')
  const parent = await nodeAt(staging, path.slice(0, Math.max(0, at)))
  const name = latin1(path.slice(at + 1))
  const node = (await staging.lookup(parent, name)) ?? (await staging.make(parent, name, fileKind.regular | 0o644, { uid: 1, gid: 2 }))
  await staging.setAttributes(node, { sizeBytes: 0 })
  await staging.write(node, 0, Buffer.from(content), false)
  return node
}

export async function contentAt(staging: Staging, path: string): Promise<string> {
  const node = await nodeAt(staging, path)
  const into = emptyAttributes()
  staging.attributes(node, into)
  const parts: Uint8Array[] = []
  for (let at = 0; at < into.sizeBytes; ) {
    const part = await staging.read(node, at, into.sizeBytes - at)
    if (part.length === 0) break
    parts.push(part)
    at += part.length
  }
  return Buffer.concat(parts).toString()
}

/** Every path with its kind, mode, time, and content or target. */
export async function everything(staging: Staging, node = staging.root, path = ''): Promise<Record<string, string>> {
  const all: Record<string, string> = {}
  for (const { name, kind } of await staging.list(node)) {
    const child = (await staging.lookup(node, name)) as number
    const below = `${path}/${Buffer.from(name, 'latin1')}`
    const a = emptyAttributes()
    staging.attributes(child, a)
    const facts = `${a.mode.toString(8)} ${a.uid} ${a.gid} ${a.modifiedSeconds}.${a.modifiedNs}`
    if (kind === fileKind.directory) Object.assign(all, { [below]: facts }, await everything(staging, child, below))
    else if (kind === fileKind.symlink) all[below] = `${facts} ${Buffer.from(await staging.readLink(child))}`
    else all[below] = `${facts} ${await contentAt(staging, below)}`
  }
  return all
}
