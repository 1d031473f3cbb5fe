import { beforeEach, describe, expect, test } from 'vitest'
import { memoryStorage } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { listLogs, readLog } from '#repo/maintenance/stored-logs.ts'
import type { ContentLogOptions } from '#repo/repository/content-log.ts'
import { createRepository } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import { fastKey } from '../../support/fast-key.ts'

type Stored = Parameters<typeof memoryStorage>[1]

let blobs: NonNullable<Stored>
let lines: string[]
let traces: string[]

beforeEach(async () => {
  blobs = new Map()
  lines = []
  traces = []
  await createRepository(memoryStorage(undefined, blobs), { deriveKey: fastKey }, 'secret')
})

const open = (options: Partial<ContentLogOptions> = {}, readOnly = false, storage: BlobStorage = memoryStorage(undefined, blobs)) =>
  openRepositoryDirectly(storage, 'secret', {
    deriveKey: fastKey,
    client: { readOnly },
    contentLog: {
      keepsInRepository: true,
      onLine: (line) => lines.push(line),
      onTrace: (name, details) => traces.push(`${name} ${details}`),
      ...options,
    },
  })

async function storedText(): Promise<string[]> {
  const repository = await open({ keepsInRepository: false })
  const logs = await listLogs(repository.blobs)
  const texts = await Promise.all(
    logs.map(async ({ segments }) => (await Promise.all(segments.map((s) => readLog(repository.blobs, repository.cipher, s.id)))).join('')),
  )
  await repository.close()
  return texts
}

async function write(repository: Awaited<ReturnType<typeof open>>): Promise<void> {
  await repository.manifests.put({ type: 'x' }, '{}')
  await repository.flush()
}

describe('the log of a repository', () => {
  test('has a line of JSON for every call of the storage', async () => {
    const repository = await open()
    await write(repository)
    await repository.close()
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines.every((line) => line.endsWith('}\n'))).toBe(true)
    expect(records[0]).toMatchObject({
      t: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      'span:client': expect.stringMatching(/^[a-z2-7]{8}$/),
      n: 'storage',
      m: 'ListBlobs',
      error: null,
      duration: expect.any(Number),
    })
    expect(records.some((r) => r['m'] === 'PutBlob' && String(r['blobID']).startsWith('q'))).toBe(true)
    expect(new Set(records.map((r) => r['span:client'])).size).toBe(1)
    expect(traces.length).toBe(lines.length)
    expect(traces[0]).toMatch(/^ListBlobs \{"prefix":/)
  })

  test('is kept in it from the first write on, and can be read again', async () => {
    const repository = await open()
    await write(repository)
    await repository.close()
    const [text = '', ...others] = await storedText()
    expect(others).toEqual([])
    const first = JSON.parse(text.split('\n')[0] as string) as Record<string, unknown>
    expect(first).toMatchObject({ m: 'PutBlob', blobID: expect.stringMatching(/^s/) })
    expect(text).not.toContain('_log_')
    expect([...blobs.keys()].filter((id) => id.startsWith('_log_'))).toEqual([
      expect.stringMatching(/^_log_\d{14}_[0-9a-f]{4}_\d{10}_\d{10}_1_[0-9a-f]{32}$/),
    ])
  })

  test('is not kept by who only reads, may only read, or does not want it', async () => {
    await (await open()).close()
    await (await open({}, true)).close()
    const repository = await open({ keepsInRepository: false })
    await write(repository)
    await repository.close()
    expect(await storedText()).toEqual([])
  })

  test('goes on in further segments while a long run lasts', async () => {
    const repository = await open()
    await write(repository)
    const id = 'p'.repeat(2000)
    for (let i = 0; i < 300; i++) await repository.blobs.stat(id).catch(() => undefined)
    const early = [...blobs.keys()].filter((name) => name.startsWith('_log_'))
    expect(early).toHaveLength(1)
    await repository.close()
    const [text = ''] = await storedText()
    expect([...blobs.keys()].filter((name) => name.startsWith('_log_'))).toHaveLength(2)
    expect(text.split('\n').filter((line) => line.includes('GetMetadata')).length).toBeGreaterThanOrEqual(300)
  })

  test('that cannot be kept is only noted', async () => {
    const notes: string[] = []
    const inner = memoryStorage(undefined, blobs)
    const full: BlobStorage = Object.create(inner, {
      put: {
        value: (id: string, ...rest: unknown[]) =>
          id.startsWith('_log_') ? Promise.reject(new Error('full')) : (inner.put as (...all: unknown[]) => unknown)(id, ...rest),
      },
    })
    const repository = await open({ note: (message) => notes.push(message) }, false, full)
    await write(repository)
    await repository.close()
    expect(notes).toEqual([expect.stringMatching(/^the log _log_\S+ could not be kept: Error: full$/)])
  })
})
