import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openStaging } from '#mount/staging/open.ts'
import type { LowerTree } from '#mount/staging/staging.ts'
import { emptyAttributes } from '#mount/table.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'

const entry = (name: string, type: string, objectId: string): DirectoryEntry => ({
  name,
  type,
  mode: 0o644,
  sizeBytes: 1000,
  modifiedNs: 1_700_000_000_123_456_789n,
  uid: 1,
  gid: 1,
  objectId: objectId as ObjectId,
})

const folders = 4_000
const filesEach = 250
const lowerTree: LowerTree = {
  readDirectory: async (id) =>
    id === 'kroot'
      ? Array.from({ length: folders }, (_, i) => entry(`folder-${i}`, 'd', `kd${i}`))
      : Array.from({ length: filesEach }, (_, i) => entry(`some-file-name-${i}.txt`, 'f', `${id}${'0123456789abcdef'.repeat(2)}${i}`)),
  read: () => new Uint8Array(0),
}

it('a walk over a million unchanged entries, all of which the kernel keeps, takes at most 400 MB', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kura-memory-'))
  const staging = await openStaging(
    {
      directory,
      repositoryId: 'r',
      source: 'u@h:/p',
      lower: { snapshotId: 's', rootObject: 'kroot' as ObjectId, root: entry('', 'd', 'kroot') },
      xattrs: 'refuse',
      spoolLimitBytes: 1 << 30,
      spoolReserveBytes: 0,
      owner: { uid: 1, gid: 1 },
      takeOver: false,
      firstNode: 2 ** 32,
      nowNs: () => 1n,
      warn: () => undefined,
    },
    lowerTree,
  )
  const before = process.memoryUsage().rss
  const attributes = emptyAttributes()
  let entries = 0
  for (const { name } of await staging.list(staging.root)) {
    const folder = (await staging.lookup(staging.root, name)) as number
    staging.remember(folder)
    for (const file of await staging.list(folder)) {
      const node = (await staging.lookup(folder, file.name)) as number
      staging.attributes(node, attributes)
      staging.remember(node)
      entries++
    }
  }
  expect(entries).toBe(1_000_000)
  expect(process.memoryUsage().rss - before).toBeLessThan(400e6)
  await staging.close()
  rmSync(directory, { recursive: true })
})
