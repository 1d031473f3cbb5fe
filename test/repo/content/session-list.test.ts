import { expect, test } from 'vitest'
import { memoryStorage } from '#repo/blob/memory.ts'
import { listSessions, SessionMarkerError, sessionIdOf } from '#repo/content/session-list.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { data, namesOf, openTestStore, TestClock, testFormat } from './rig.ts'

test('an open session is listed until its flush', async () => {
  const storage = memoryStorage()
  const cipher = createCipher(testFormat)
  const store = await openTestStore(storage, { clock: new TestClock() })
  await store.put(data('x'))
  const [session] = [...(await listSessions(storage, cipher)).values()]
  expect(session).toMatchObject({ username: 'alice', hostname: 'box', startTimeNs: BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n })
  await store.flush()
  expect((await namesOf(storage, 'p')).map(sessionIdOf)).toEqual([session?.id])
  expect((await listSessions(storage, cipher)).size).toBe(0)
})

test('session IDs are found in every kind of blob name', () => {
  expect(sessionIdOf('p11-s0123456789abcdef13c')).toBe('s0123456789abcdef13c')
  expect(sessionIdOf('xn7_14b8-s0123456789abcdef13c-c1')).toBe('s0123456789abcdef13c')
  expect(sessionIdOf('p11')).toBeUndefined()
  expect(sessionIdOf('s4e2b')).toBeUndefined()
})

test('a marker that cannot be read is an error', async () => {
  const storage = memoryStorage()
  await storage.put(`s${'00'.repeat(16)}-s01`, [Buffer.alloc(50)])
  await expect(listSessions(storage, createCipher(testFormat))).rejects.toThrow(SessionMarkerError)
})
