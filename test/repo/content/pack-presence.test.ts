import { expect, test } from 'vitest'
import { memoryStorage } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { PackPresence } from '#repo/content/pack-presence.ts'

async function watched(packs: number) {
  const inner = memoryStorage()
  for (let i = 0; i < packs; i++) await inner.put(`p${i}`, [])
  const calls: string[] = []
  const stat: BlobStorage['stat'] = (id) => {
    calls.push(`stat ${id}`)
    return inner.stat(id)
  }
  const list: BlobStorage['list'] = (prefix) => {
    calls.push(`list ${prefix}`)
    return inner.list(prefix)
  }
  return { inner, calls, presence: new PackPresence(Object.assign(Object.create(inner), { stat, list }) as BlobStorage) }
}

test('a few packs are looked for one by one, many by one listing', async () => {
  const { calls, presence } = await watched(100)
  for (let i = 0; i < 100; i++) expect(await presence.has(`p${i}`)).toBe(true)
  expect(calls.filter((call) => call.startsWith('list'))).toEqual(['list p', 'list q'])
  expect(calls.filter((call) => call.startsWith('stat')).length).toBe(16)
})

test('a pack that is not there is asked for again only after absent ones were forgotten', async () => {
  const { inner, calls, presence } = await watched(0)
  expect(await presence.has('p1')).toBe(false)
  await inner.put('p1', [])
  expect(await presence.has('p1')).toBe(false)
  expect(calls).toEqual(['stat p1'])
  presence.forgetAbsent()
  expect(await presence.has('p1')).toBe(true)
})

test('own uploads are present without asking', async () => {
  const { calls, presence } = await watched(0)
  presence.add('p1')
  expect(await presence.has('p1')).toBe(true)
  expect(calls).toEqual([])
})
