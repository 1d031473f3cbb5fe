import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { type FixRequest, fixSnapshots } from '#snapshot/fix/fix.ts'
import { writeStub } from '#snapshot/fix/rewrite.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { createSnapshot } from '#snapshot/upload/create.ts'
import { directoryObjectOptions } from '#snapshot/upload/entry-options.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { contentOf, memoryRepository, rootOf, treeOf, Watcher } from '../memory-repository.ts'

const scratch = scratchFolders()

/** Two snapshots of a tree with a secret in it, which the second one has twice. */
async function setup() {
  const { repository } = await memoryRepository()
  const source = scratch()
  mkdirSync(join(source, 'a/b'), { recursive: true })
  writeFileSync(join(source, 'a/b/secret.key'), 'secret')
  writeFileSync(join(source, 'a/keep'), 'keep')
  writeFileSync(join(source, 'top'), 'top')
  const request = { source: { user: 'user', host: 'host', path: source }, localPath: source, pins: ['p'], tags: { 'tag:a': 'b' } }
  await createSnapshot(repository, { ...request, startNs: 1_000_000_000n }, new Watcher())
  writeFileSync(join(source, 'secret.key'), 'secret')
  await createSnapshot(repository, { ...request, startNs: 2_000_000_000n }, new Watcher())
  await repository.flush()
  return { repository, snapshots: await listSnapshots(repository) }
}

async function fix(repository: DirectRepository, decide: FixRequest['decide'], more: Partial<FixRequest> = {}) {
  const seen: [Snapshot, Snapshot][] = []
  const snapshots = await listSnapshots(repository)
  const count = await fixSnapshots(repository, {
    snapshots,
    commit: true,
    decide,
    invalidDirectories: 'stub',
    parallel: 4,
    onSnapshot: (before, after) => seen.push([before, after]),
    ...more,
  })
  return { count, seen, after: await listSnapshots(repository) }
}

const withoutSecrets = (e: DirectoryEntry) => (e.name === 'secret.key' ? undefined : e)
const paths = async (repository: DirectRepository, s: Snapshot | undefined) =>
  [...(await treeOf(repository, rootOf(s as Snapshot))).keys()].sort()

describe('fixing snapshots', () => {
  it('takes entries out, corrects the summaries above and keeps everything else of the snapshot', async () => {
    const { repository, snapshots } = await setup()
    const { count, after } = await fix(repository, withoutSecrets)
    expect(count).toBe(2)
    expect(await paths(repository, after[0])).toEqual(['', 'a', 'a/b', 'a/keep', 'top'])
    expect(await paths(repository, after[1])).toEqual(['', 'a', 'a/b', 'a/keep', 'top'])
    expect(rootOf(after[1] as Snapshot).summary).toMatchObject({ fileCount: 2, totalBytes: 7, directoryCount: 3 })
    for (const [i, s] of after.entries()) {
      const { id, rootEntry: _, ...rest } = s
      const { id: oldId, rootEntry: __, ...oldRest } = snapshots[i] as Snapshot
      expect(rest).toEqual(oldRest)
      expect(id).not.toBe(oldId)
    }
    expect((await fix(repository, withoutSecrets)).count).toBe(0)
  })

  it('changes no manifest without commit', async () => {
    const { repository, snapshots } = await setup()
    const { count, seen, after } = await fix(repository, withoutSecrets, { commit: false })
    expect(count).toBe(2)
    expect(seen.map(([before, now]) => [before.id === now.id, before === now])).toEqual(Array(2).fill([true, false]))
    expect(after).toEqual(snapshots)
  })

  it('leaves a tree as it is, to the last byte, when nothing is decided otherwise', async () => {
    const { repository, snapshots } = await setup()
    const { count, seen, after } = await fix(repository, (e) => e)
    expect([count, seen.every(([a, b]) => a === b)]).toEqual([0, true])
    expect(after).toEqual(snapshots)
  })

  it('puts a stub where a file is damaged, which tells what was there', async () => {
    const { repository } = await setup()
    const { after } = await fix(repository, (e) => (e.name === 'keep' ? writeStub(repository, e, new Error('its pack is gone')) : e))
    const tree = await treeOf(repository, rootOf(after[1] as Snapshot))
    expect([...tree.keys()].sort()).toContain('a/.INVALID.keep')
    expect([...tree.keys()]).not.toContain('a/keep')
    const stub = tree.get('a/.INVALID.keep') as DirectoryEntry
    const text = (await contentOf(repository, stub)).toString()
    expect(stub.sizeBytes).toBe(text.length)
    expect(JSON.parse(text)).toMatchObject({ error: 'its pack is gone', entry: { name: 'keep', size: 4 } })
    expect(text).toMatch(/^\{\n {6}"info"/)
    expect(text.endsWith('}\n')).toBe(true)
  })

  it.each(['stub', 'keep', 'fail'] as const)('with a directory that cannot be read does as it is told: %s', async (invalidDirectories) => {
    const { repository, snapshots } = await setup()
    const lost = 'k00000000000000000000000000000000' as ObjectId
    const decide = (e: DirectoryEntry) => (e.name === 'b' ? { ...e, objectId: lost } : e)
    if (invalidDirectories === 'fail') {
      await expect(fix(repository, decide, { invalidDirectories })).rejects.toThrow(/a\/b: /)
      expect(await listSnapshots(repository)).toEqual(snapshots)
      return
    }
    const { after } = await fix(repository, decide, { invalidDirectories })
    const [last] = after.slice(-1) as [Snapshot]
    const [a] = (await readStoredDirectory(repository, rootOf(last).objectId as ObjectId)).entries
    const { entries } = await readStoredDirectory(repository, a?.objectId as ObjectId)
    expect(entries.map((e) => [e.name, e.type])).toEqual(
      invalidDirectories === 'keep'
        ? [
            ['b', 'd'],
            ['keep', 'f'],
          ]
        : [
            ['.INVALID.b', 'f'],
            ['keep', 'f'],
          ],
    )
  })

  it('treats a root that would go like a directory that cannot be read', async () => {
    const { repository } = await setup()
    const none = () => undefined
    await expect(fix(repository, none, { invalidDirectories: 'fail' })).rejects.toThrow('the root of the snapshot would be removed')
    expect((await fix(repository, none, { invalidDirectories: 'keep' })).count).toBe(0)
    const { after } = await fix(repository, none)
    expect(after.map((s) => rootOf(s).type)).toEqual(['f', 'f'])
  })

  it('keeps what a folder says of its own failures', async () => {
    const { repository, snapshots } = await setup()
    const root = rootOf(snapshots[1] as Snapshot)
    const { entries, summary } = await readStoredDirectory(repository, root.objectId as ObjectId)
    if (!summary) throw new Error('no summary')
    const failed = {
      ...summary,
      fatalErrorCount: 1,
      ignoredErrorCount: 1,
      errors: [
        { path: 'x', error: 'e1' },
        { path: 'y', error: 'e2' },
      ],
    }
    const [objectId] = await repository.objects.writeMany([{ data: encodeDirectory(entries, failed), options: directoryObjectOptions('') }])
    const changed = { ...(snapshots[1] as Snapshot), rootEntry: { ...root, objectId: objectId as ObjectId, summary: failed } }
    const { seen } = await fix(repository, withoutSecrets, { snapshots: [changed] })
    expect(rootOf(seen[0]?.[1] as Snapshot).summary).toMatchObject({ fatalErrorCount: 1, ignoredErrorCount: 1, errors: failed.errors })
  })
})
