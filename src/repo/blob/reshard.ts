import { lstat, mkdir, readdir, readFile, rename, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeDurably } from '#base/durable.ts'
import { messageOf, systemCode, UsageError } from '#base/errors.ts'
import { blobPath, blobSuffix, formatLayout, parseLayout, type ShardLayout, shardsFile } from './shard.ts'

/** What to change in a layout; absent = as it is. */
export interface LayoutChange {
  readonly default?: readonly number[] | undefined
  readonly maxNonShardedLength?: number | undefined
  /** Replace those with the same prefix. */
  readonly overrides: readonly { readonly prefix: string; readonly shards: readonly number[] }[]
  readonly removedPrefixes: readonly string[]
}

export interface ReshardRequest extends LayoutChange {
  readonly path: string
  readonly dryRun: boolean
  readonly onMove: (from: string, to: string) => void
  readonly onRemove: (folder: string) => void
}

/** Moves the blobs of a storage in folders to where another layout has them, removes folders that are left empty, and stores the layout.
 *  Nobody may use the storage meanwhile. Returns how many blobs moved. Throws UsageError when there is no layout that can be read, or a
 *  blob is there twice; and the system's errors. Source: spec 04, 4.2. */
export async function reshard(request: ReshardRequest): Promise<number> {
  const { path, dryRun } = request
  const layout = changedLayout(await readLayout(path), request)
  const { files, folders } = await walk(path)
  let moved = 0
  for (const { id, place } of files) {
    const from = join(path, place)
    const to = join(path, blobPath(layout, id))
    if (from === to) continue
    request.onMove(from, to)
    moved++
    if (!dryRun) await move(from, to)
  }
  if (dryRun) return moved
  // Deepest first.
  for (const folder of folders.toReversed()) if (await removeIfEmpty(join(path, folder))) request.onRemove(join(path, folder))
  await writeDurably(join(path, shardsFile), [Buffer.from(formatLayout(layout))])
  return moved
}

export function changedLayout(layout: ShardLayout, change: LayoutChange): ShardLayout {
  const gone = new Set([...change.removedPrefixes, ...change.overrides.map((o) => o.prefix)])
  return {
    default: change.default ?? layout.default,
    maxNonShardedLength: change.maxNonShardedLength ?? layout.maxNonShardedLength,
    overrides: [...layout.overrides.filter((o) => !gone.has(o.prefix)), ...change.overrides],
  }
}

/** Folder name lengths of a flag: `flat`, or numbers separated by commas; a part without a number counts as not there. Throws UsageError. */
export function parseShardText(text: string): number[] {
  if (text === 'flat') return []
  const parts = text.split(',').filter((part) => part !== '')
  if (parts.length === 0) throw new UsageError(`invalid shard specification "${text}": expected flat, or numbers such as 1,3`)
  return parts.map((part) => {
    if (!/^\d{1,3}$/.test(part)) throw new UsageError(`invalid shard specification "${text}": expected flat, or numbers such as 1,3`)
    return Number(part)
  })
}

async function readLayout(path: string): Promise<ShardLayout> {
  try {
    return parseLayout(await readFile(join(path, shardsFile), 'utf8'))
  } catch (error) {
    throw new UsageError(`cannot read ${join(path, shardsFile)}, which says how blobs are spread over folders: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** Blobs and folders below `root`; a folder comes before what is in it. */
async function walk(root: string): Promise<{ files: { id: string; place: string }[]; folders: string[] }> {
  const files: { id: string; place: string }[] = []
  const folders: string[] = []
  const visit = async (place: string, name: string): Promise<void> => {
    for (const entry of await readdir(join(root, place), { withFileTypes: true })) {
      const inner = join(place, entry.name)
      if (entry.isDirectory()) {
        folders.push(inner)
        await visit(inner, name + entry.name)
      } else if (entry.name.endsWith(blobSuffix)) files.push({ id: (name + entry.name).slice(0, -blobSuffix.length), place: inner })
    }
  }
  await visit('', '')
  return { files, folders }
}

async function move(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  const present = await lstat(to).catch(() => undefined)
  if (present) throw new UsageError(`cannot move ${from} to ${to}: there is a file already. Keep one of them and try again.`)
  await rename(from, to)
}

async function removeIfEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder)
    return true
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(systemCode(error) ?? '')) return false
    throw error
  }
}
