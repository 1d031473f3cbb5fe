import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fileKind } from '#fuse/abi.ts'
import type { Caller, Entry } from '#fuse/operations.ts'
import { BackupOperations } from '#mount/backup/operations.ts'
import type { Staging } from '#mount/staging/staging.ts'
import { memoryRepository } from '../snapshot/memory-repository.ts'
import { openOverlay } from './flush/real-overlay.ts'

const caller: Caller = { uid: 1, gid: 2, pid: 3, signal: new AbortController().signal }
const hourSeconds = 3600

let folder: string
let staging: Staging
let operations: BackupOperations

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kura-operations-'))
  staging = await openOverlay((await memoryRepository()).repository, join(folder, 'spool'), '/source')
  operations = new BackupOperations(staging, 1)
})
afterEach(async () => {
  await staging.close()
  rmSync(folder, { recursive: true })
})

const listed = async (directory: number): Promise<Entry[]> => {
  const entries: Entry[] = []
  const { handle } = operations.opendir(caller, directory)
  await operations.readdirplus(caller, directory, handle, 0, {
    add: () => true,
    addEntry: (_name, _cookie, entry) => {
      entries.push(entry)
      return true
    },
  })
  return entries
}

it('what is below the root may be kept by the kernel for hours: every change passes it', async () => {
  const { node } = await operations.mkdir(caller, operations.root, 'd', 0o755)
  const [made] = await operations.create(caller, node, 'f', 0, 0o644)
  const found = await operations.lookup(caller, node, 'f')
  const missing = await operations.lookup(caller, node, 'missing')
  for (const entry of [made, found, ...(await listed(node))]) {
    expect(entry).toMatchObject({ node: made.node })
    expect(Math.min(entry.entrySeconds, entry.attributesSeconds)).toBeGreaterThan(hourSeconds)
  }
  expect(missing).toMatchObject({ node: 0 })
  expect(missing.entrySeconds).toBeGreaterThan(hourSeconds)
  expect(operations.getattr(caller, made.node).attributesSeconds).toBeGreaterThan(hourSeconds)
})

it('names in the root and its own times are kept for a minute: the trash at the root of the mount is another way to them', async () => {
  const made = await operations.mknod(caller, operations.root, 'f', fileKind.regular | 0o644)
  const found = await operations.lookup(caller, operations.root, 'f')
  const missing = await operations.lookup(caller, operations.root, '.Trash-1000')
  for (const entry of [made, found, missing, ...(await listed(operations.root))]) expect(entry.entrySeconds).toBe(60)
  expect(operations.getattr(caller, operations.root).attributesSeconds).toBe(60)
  expect(operations.known(operations.root).attributesSeconds).toBe(60)
})
