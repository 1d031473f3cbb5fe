import { describe, expect, it } from 'vitest'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry, DirectorySummary } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { DirectoryFormatError } from '#snapshot/model/errors.ts'
import { readDirectory, readStoredDirectory, walkTree } from '#snapshot/tree/repository-tree.ts'
import { fakeRepository } from '../fake-repository.ts'

const summary: DirectorySummary = {
  totalBytes: 77,
  fileCount: 1,
  symlinkCount: 0,
  directoryCount: 1,
  maxTimeNs: 99n,
  fatalErrorCount: 0,
  ignoredErrorCount: 0,
  errors: [],
}
const entry = (name: string, type: string, objectId: ObjectId | ''): DirectoryEntry => ({
  name,
  type,
  objectId,
  mode: 0o755,
  sizeBytes: 0,
  modifiedNs: 5n,
  uid: 0,
  gid: 0,
})

function tree() {
  const fake = fakeRepository()
  const leaf = fake.objects.put('k', encodeDirectory([entry('f', 'f', 'ab' as ObjectId)], summary))
  const top = fake.objects.put(
    'k',
    encodeDirectory(
      [{ ...entry('b', 'd', leaf), summary }, { ...entry('a', 'd', 'k00' as ObjectId), summary }, entry('link', 's', 'cd' as ObjectId)],
      summary,
    ),
  )
  return { ...fake, top }
}

describe('reading directories from a repository', () => {
  it('shows sub-directories with the size and time of their summary, and stored values on request', async () => {
    const { repository, top } = tree()
    expect((await readDirectory(repository, top)).entries[1]).toMatchObject({ name: 'b', sizeBytes: 77, modifiedNs: 99n })
    expect((await readStoredDirectory(repository, top)).entries[1]).toMatchObject({ name: 'b', sizeBytes: 0, modifiedNs: 5n })
  })
  it('walks depth first in stored order and reports what cannot be read', async () => {
    const { repository, top } = tree()
    const failed: string[] = []
    const paths: string[] = []
    for await (const i of walkTree(repository, entry('root', 'd', top), { onError: (item) => failed.push(item.path) })) paths.push(i.path)
    expect(paths).toEqual(['', 'a', 'b', 'b/f', 'link'])
    expect(failed).toEqual(['a'])
  })
  it('stops at the depth asked for and where enter says no', async () => {
    const { repository, top } = tree()
    const count = async (options: Parameters<typeof walkTree>[2]) => {
      let n = 0
      for await (const _ of walkTree(repository, entry('root', 'd', top), options)) n++
      return n
    }
    expect(await count({ maxDepth: 0 })).toBe(1)
    expect(await count({ maxDepth: 1 })).toBe(4)
    expect(await count({ enter: (i) => i.path === '' })).toBe(4)
  })
  it('a directory without an object is an error', async () => {
    const { repository } = tree()
    await expect(async () => {
      for await (const _ of walkTree(repository, entry('root', 'd', ''))) void _
    }).rejects.toThrow(DirectoryFormatError)
  })
})
