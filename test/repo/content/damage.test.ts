import { expect, test } from 'vitest'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { CorruptContentError } from '#repo/content/errors.ts'
import { recoverIndex } from '#repo/content/recover.ts'
import { verifyContents } from '#repo/content/verify.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { data, namesOf, openTestStore, testFormat } from './rig.ts'

async function twoSessions() {
  const blobs = new Map<string, StoredBlob>()
  const storage = memoryStorage(undefined, blobs)
  const ids: ContentId[] = []
  for (const text of ['first', 'second']) {
    const store = await openTestStore(storage)
    ids.push(await store.put(data(text)))
    await store.flush()
  }
  return { blobs, storage, ids: ids as [ContentId, ContentId] }
}

const indexOf = async (blobs: Map<string, StoredBlob>, id: ContentId): Promise<string> => {
  for (const name of [...blobs.keys()].filter((n) => n.startsWith('xn'))) {
    const alone = new Map([...blobs].filter(([n]) => n === name || !n.startsWith('xn')))
    if ((await openTestStore(memoryStorage(undefined, alone))).info(id)) return name
  }
  throw new Error('no index names it')
}

test.each([
  ['empty', () => Buffer.alloc(0)],
  ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
  ['flipped', (bytes: Buffer) => Buffer.from(bytes).fill(bytes[40] === 0 ? 1 : 0, 40, 41)],
])('an index blob that is %s is named in a warning, and everything else stays readable', async (_how, damage) => {
  const { blobs, storage, ids } = await twoSessions()
  const sick = await indexOf(blobs, ids[0])
  await storage.put(sick, [damage(blobs.get(sick)?.data as Buffer)])
  const warnings: string[] = []
  const store = await openTestStore(storage, { warn: (message) => warnings.push(message) })
  expect(warnings.length).toBe(1)
  expect(warnings[0]).toContain(sick)
  expect(warnings[0]).toContain('index recover')
  expect([...store.damagedIndexes.keys()]).toEqual([sick])
  expect((await store.get(ids[1])).toString()).toBe('second')
  expect(store.info(ids[0])).toBeUndefined()
  await store.refresh()
  expect(warnings.length).toBe(1)
})

test('records recovered from packs become permanent with a flush', async () => {
  const { blobs, storage, ids } = await twoSessions()
  for (const name of await namesOf(storage, 'xn')) await storage.delete(name)
  const store = await openTestStore(storage)
  expect(store.info(ids[0])).toBeUndefined()
  let adopted = 0
  for (const pack of await namesOf(storage, 'p')) adopted += store.adopt(await recoverIndex(storage, createCipher(testFormat), pack))
  expect(adopted).toBe(2)
  await store.flush()
  const reopened = await openTestStore(memoryStorage(undefined, blobs))
  expect((await reopened.get(ids[0])).toString()).toBe('first')
  expect((await namesOf(storage, 'xn'))[0]).toMatch(/^xn0_[0-9a-f]{32}--c1$/)
})

test('a flipped byte in a content is reported, not returned', async () => {
  const { blobs, storage, ids } = await twoSessions()
  const store = await openTestStore(storage)
  const info = store.info(ids[0])
  const bytes = Buffer.from(blobs.get(info?.packBlob as string)?.data as Buffer)
  bytes[(info?.packOffset as number) + 15] = (bytes[(info?.packOffset as number) + 15] as number) ^ 1
  await storage.put(info?.packBlob as string, [bytes])
  await expect(store.get(ids[0])).rejects.toThrow(CorruptContentError)
  const errors: string[] = []
  const result = await verifyContents(store, storage, { readPercent: 100, onError: (id) => errors.push(id) })
  expect(result).toEqual({ checked: 2, read: 2, errors: 1 })
  expect(errors).toEqual([ids[0]])
})

test('verify finds packs that are missing or too short without reading contents', async () => {
  const { storage, ids } = await twoSessions()
  const store = await openTestStore(storage)
  const [first, second] = ids.map((id) => store.info(id)?.packBlob as string) as [string, string]
  await storage.delete(first)
  const bytes = await storage.get(second)
  await storage.put(second, [bytes.subarray(0, 40)])
  const messages: string[] = []
  const result = await verifyContents(store, storage, { onError: (_id, message) => messages.push(message) })
  expect(result).toEqual({ checked: 2, read: 0, errors: 2 })
  expect(messages.some((m) => m.includes('not in the storage')) && messages.some((m) => m.includes('too short'))).toBe(true)
})
