import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { contentOf, memoryRepository, rootOf, treeOf, upload } from '../memory-repository.ts'

async function* pieces(...parts: readonly (Buffer | Error)[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield part
  }
}

test('a stream becomes the only file of a folder that is not on disk', async () => {
  const { repository } = await memoryRepository()
  const data = [randomBytes(500_000), Buffer.alloc(0), randomBytes(300_001)]
  const stream = { name: 'dump.sql', data: pieces(...data) }
  const { snapshot } = await upload(repository, '/no/such/place', { stream })
  expect(rootOf(snapshot)).toMatchObject({ name: '/no/such/place', mode: 0o777, modifiedNs: -6_795_364_578_871_345_152n })
  expect(snapshot.stats).toMatchObject({ totalBytes: 800_001, fileCount: 1, nonCachedFileCount: 1, directoryCount: 1 })
  const tree = await treeOf(repository, rootOf(snapshot))
  expect(tree.get('dump.sql')).toMatchObject({ type: 'f', mode: 0o777, sizeBytes: 800_001 })
  expect((await contentOf(repository, tree.get('dump.sql'))).equals(Buffer.concat(data))).toBe(true)
})

test('a stream that breaks is a fatal error of its file, and nothing of it is kept', async () => {
  const { repository } = await memoryRepository()
  const stream = { name: 'x', data: pieces(Buffer.from('half'), new Error('pipe burst')) }
  const { snapshot } = await upload(repository, '/place', { stream })
  expect(rootOf(snapshot).summary).toMatchObject({ fileCount: 0, fatalErrorCount: 1, errors: [{ path: 'x', error: 'pipe burst' }] })
})

test('an upload limit ends a stream without calling half of it the file', async () => {
  const { repository } = await memoryRepository()
  const stream = { name: 'x', data: pieces(Buffer.alloc(100), Buffer.alloc(100), Buffer.alloc(100)) }
  const { snapshot } = await upload(repository, '/place', { stream, uploadLimitBytes: 150 })
  expect(snapshot.incomplete).toBe('limit reached')
  expect(rootOf(snapshot).summary).toMatchObject({ fileCount: 0, fatalErrorCount: 0 })
})
