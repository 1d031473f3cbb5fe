import { expect, test } from 'vitest'
import { Versions, versionsId, versionsRevision } from '#mount/versions.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'

const entry = (name: string, objectId: string, type = 'f', modified = 0): DirectoryEntry => ({
  name,
  type,
  mode: 0o640,
  sizeBytes: 1,
  modifiedNs: BigInt(modified),
  uid: 1,
  gid: 2,
  objectId: objectId as ObjectId,
})
const directories: Record<string, DirectoryEntry[]> = {
  k1: [entry('a.txt', '01'), entry('d', 'kd1', 'd'), entry('gone', '09')],
  k2: [entry('a.txt', '02', 'f', 5), entry('d', 'kd2', 'd'), entry('d2', 'kd2', 'd')],
  k3: [entry('a.txt', '02', 'f', 5), entry('d', 'ff')],
  kd1: [entry('x', '11')],
  kd2: [entry('x', '11'), entry('y', '12')],
  kabove: [entry('src', 'k1', 'd')],
}
const source = { user: 'u', host: 'h', path: '/home/src' }
const snapshot = (seconds: number, root: string, path = source.path): Snapshot =>
  ({
    id: `${seconds}`,
    source: { ...source, path },
    startNs: BigInt(seconds) * 1_000_000_000n,
    endNs: 0n,
    rootEntry: entry('', root, 'd'),
  }) as Snapshot

const reads: string[] = []
function versions(): Versions {
  reads.length = 0
  const made = new Versions(async (id) => {
    reads.push(id)
    return directories[id] ?? []
  })
  made.update([snapshot(3, 'k3'), snapshot(1, 'kabove', '/home'), snapshot(2, 'k2'), snapshot(4, 'k3')])
  return made
}
const list = async (made: Versions, id: ObjectId | ''): Promise<string[]> =>
  (await made.entries(id as ObjectId)).map((e) => `${e.name} ${e.type}${e.type === 'd' ? '' : ` ${e.objectId}`}`).sort()
const child = async (made: Versions, id: ObjectId | '', name: string): Promise<ObjectId | ''> =>
  (await made.entries(id as ObjectId)).find((e) => e.name === name)?.objectId ?? ''
const root = versionsId({ source, names: [], isFile: false })

test('a folder of versions has what any snapshot has in it, those of folders above too', async () => {
  expect(await list(versions(), root)).toEqual(['a.txt d', 'd (file) d', 'd d', 'd2 d', 'gone d'])
})

test('a file is a folder of its versions, named after the first snapshot of each', async () => {
  const made = versions()
  expect(await list(made, await child(made, root, 'a.txt'))).toEqual(['19700101-000001.txt f 01', '19700101-000002.txt f 02'])
  expect(await list(made, await child(made, root, 'gone'))).toEqual(['19700101-000001 f 09'])
  expect(await list(made, await child(made, root, 'd (file)'))).toEqual(['19700101-000003 f ff'])
})

test('folders below are merged too, and equal ones are read once', async () => {
  const made = versions()
  const below = await child(made, root, 'd')
  reads.length = 0
  expect(await list(made, below)).toEqual(['x d', 'y d'])
  expect(await list(made, await child(made, below, 'x'))).toEqual(['19700101-000001 f 11'])
  expect(reads.filter((id) => id === 'k3').length).toBeLessThanOrEqual(1)
})

test('a folder of versions is another one when a snapshot of its source or of a folder above comes, and only then', () => {
  const group = (path: string, ...ids: string[]) => ({ source: { ...source, path }, snapshots: ids.map((id) => ({ id }) as Snapshot) })
  const all = [group('/home', 'a'), group('/home/src', 'b'), group('/home/src2', 'c'), group('/home/src/below', 'd')]
  const before = versionsRevision(source, all)
  expect(versionsRevision(source, [...all, group('/other', 'e')])).toBe(before)
  expect(versionsRevision(source, all.slice(0, 2))).toBe(before)
  expect(versionsRevision(source, [group('/home', 'a', 'f'), ...all.slice(1)])).not.toBe(before)
  expect(versionsRevision(source, [...all, group('/', 'g')])).not.toBe(before)
})
