import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { KuraHome } from '../support/kura.ts'
import { contentBytes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'
import { ended, endOf, until } from '../support/wait.ts'

const canMount = existsSync('/dev/fuse')

/** Some twenty commands one after the other, each some tenths of a second on a machine with nothing else to do. */
export const wholeFlowTimeoutMs = 900_000

/** Flags that name the repository, and those of an empty place of the same kind for its mirror. */
export interface FlowStorage {
  readonly repository: readonly string[]
  readonly mirror: readonly string[]
}

/** A person's day with a repository: create, snapshot, list, restore, mount and read, write into backup/ and flush, maintain, verify, mirror and
 *  use the mirror. */
export async function wholeFlow(home: KuraHome, { repository, mirror }: FlowStorage): Promise<void> {
  const source = home.path('source')
  mkdirSync(join(source, 'sub'), { recursive: true })
  writeFileSync(join(source, 'sub', 'note.txt'), 'a note\n')
  writeFileSync(join(source, 'large.bin'), contentBytes({ gen: 'random', seed: 5, size: 5_000_000 }))
  await home.ok('repository', 'create', ...repository)
  await home.ok('snapshot', 'create', source)
  writeFileSync(join(source, 'sub', 'second.txt'), 'the second\n')
  await home.ok('snapshot', 'create', source)
  expect(await home.ok('snapshot', 'list', source)).toContain(source)
  await home.ok('repository', 'disconnect')
  await home.ok('repository', 'connect', ...repository)
  await restores(home, source, source, 'restored')
  expect(await home.ok('repository', 'status')).not.toMatch(/s3cret-of-the-storage/)
  if (canMount) await mounted(home, source)
  await maintained(home)
  await home.ok('snapshot', 'verify', '--verify-files-percent=100')
  const sync = await home.run('repository', 'sync-to', ...mirror, '--parallel=4')
  expect(sync.stderr).toMatch(/Found \d+ BLOBs to copy/)
  expect(sync.status).toBe(0)
  await home.ok('repository', 'connect', ...mirror)
  await restores(home, source, source, 'restored-from-mirror')
}

/** The shortest way there and back again. */
export async function shortFlow(home: KuraHome, storage: readonly string[]): Promise<void> {
  const source = home.path('source')
  mkdirSync(source)
  writeFileSync(join(source, 'file.bin'), contentBytes({ gen: 'random', seed: 8, size: 1_000_000 }))
  await home.ok('repository', 'create', ...storage)
  await home.ok('snapshot', 'create', source)
  await restores(home, source, source, 'restored')
  expect(await home.ok('repository', 'status')).not.toMatch(/s3cret-of-the-storage/)
}

async function restores(home: KuraHome, what: string, like: string, name: string): Promise<void> {
  const target = home.path(name)
  await home.ok('restore', what, target)
  expect(listTree(target)).toEqual(listAsRestored(like))
}

/** Reads a file out of a mount, writes others into backup/ and finds them in the snapshot that the flush made. */
async function mounted(home: KuraHome, source: string): Promise<void> {
  const at = home.path('mounted')
  mkdirSync(at)
  const child = home.start('mount', 'all', at)
  const end = ended(child)
  try {
    await until('the mount', () => readdirSync(at).length > 0)
    const found = execFileSync('find', [at, '-name', 'large.bin'], { encoding: 'utf8' }).trim().split('\n')
    expect(found.length).toBeGreaterThan(0)
    expect(readFileSync(found[0] as string).equals(readFileSync(join(source, 'large.bin')))).toBe(true)
    execFileSync('cp', ['-a', source, join(at, 'backup/copied')])
    writeFileSync(join(at, 'backup/written.txt'), 'written into the mount\n')
    await home.ok('flush', at)
  } finally {
    await home.run('unmount', at)
    await endOf(child, end)
  }
  const all = JSON.parse(await home.ok('snapshot', 'list', '--all', '--json')) as { id: string; source: { path: string } }[]
  const flushed = all.find((snapshot) => snapshot.source.path === '/backup')
  await restores(home, `${flushed?.id}/copied`, source, 'restored-from-backup')
}

/** Removes a snapshot and sees full maintenance give back its space. */
async function maintained(home: KuraHome): Promise<void> {
  const doomed = home.path('doomed')
  mkdirSync(doomed)
  writeFileSync(join(doomed, 'bytes'), contentBytes({ gen: 'random', seed: 6, size: 3_000_000 }))
  await home.ok('snapshot', 'create', doomed)
  await home.ok('snapshot', 'delete', '--all-snapshots-for-source', doomed, '--delete')
  const stored = async () => {
    const blobs = JSON.parse(await home.ok('blob', 'list', '--json')) as { length: number }[]
    return blobs.reduce((sum, blob) => sum + blob.length, 0)
  }
  const before = await stored()
  await home.ok('maintenance', 'run', '--full', '--safety=none')
  expect(await stored()).toBeLessThan(before - 2_500_000)
}
