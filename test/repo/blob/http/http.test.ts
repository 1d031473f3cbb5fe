import { afterEach, expect, test } from 'vitest'
import { StorageError, TransientStorageError } from '#repo/blob/errors.ts'
import { HttpClient } from '#repo/blob/http/client.ts'
import { wrongLength } from '#repo/blob/http/failure.ts'
import { keptToken } from '#repo/blob/http/oauth.ts'
import { entryTimeMs, timeEntry } from '#repo/blob/time-entry.ts'
import { type FakeReply, type FakeService, fakeService } from '../../../support/fake-service.ts'

let service: FakeService | undefined
afterEach(() => service?.stop())
const call = async (reply: FakeReply | undefined, idleMs?: number) => {
  service = await fakeService(() => reply)
  return new HttpClient(undefined, idleMs).call({ method: 'GET', url: service.url, what: 'asking' })
}

test('an answer of any status is a reply', async () => {
  expect(await call({ status: 418, body: 'tea' })).toMatchObject({ status: 418, body: Buffer.from('tea') })
})

test('a connection that is cut is worth another try', async () => {
  await expect(call(undefined)).rejects.toThrow(TransientStorageError)
})

test('an answer that ends too early is worth another try', async () => {
  await expect(call({ body: 'half', headers: { 'Content-Length': '8' } }, 300)).rejects.toThrow(TransientStorageError)
})

test('a host that is not there is final', async () => {
  const failure = await new HttpClient()
    .call({ method: 'GET', url: 'http://no-such-host.invalid/', what: 'asking' })
    .catch((e: unknown) => e)
  expect(failure).toBeInstanceOf(StorageError)
  expect(String(failure)).toMatch(/asking/)
})

test('a short range of a blob that is long enough is worth another try', () => {
  expect(wrongLength('a', { offset: 5, length: 10 }, 3, 'bytes 5-14/15').retry).toBe(true)
  expect(wrongLength('a', { offset: 5, length: 10 }, 3, 'bytes 5-7/8').retry).toBe(false)
})

test('a token is kept for four fifths of its life, and asked for once by many', async () => {
  let [now, asked] = [0, 0]
  const token = keptToken(
    async () => ({ value: `t${++asked}`, lifeSeconds: 100 }),
    () => now,
  )
  expect(await Promise.all([token(), token()])).toEqual(['t1', 't1'])
  now = 79_999
  expect(await token()).toBe('t1')
  now = 80_000
  expect(await token()).toBe('t2')
})

test('a token that a service refused is replaced once for all who bring it', async () => {
  let count = 0
  const token = keptToken(async () => ({ value: `t${++count}`, lifeSeconds: 3600 }))
  expect(await token()).toBe('t1')
  expect(await Promise.all([token('t1'), token('t1')])).toEqual(['t2', 't2'])
  expect(await token('t1')).toBe('t2')
})

test('a token that was refused is asked for again', async () => {
  let asked = 0
  const token = keptToken(async () => {
    if (++asked === 1) throw new Error('no')
    return { value: 'yes', lifeSeconds: 100 }
  })
  await expect(token()).rejects.toThrow('no')
  expect(await token()).toBe('yes')
})

test.each([
  ['1577934245000000000', 1577934245000],
  ['no number', 7],
  ['99999999999999999999', 7],
  [undefined, 7],
])('the entry %s is the time %i', (entry, ms) => {
  expect(entryTimeMs(entry, 7)).toBe(ms)
})

test('a time is kept as nanoseconds, and no time makes no entry (spec 04, 4.1.5)', () => {
  expect(timeEntry(Date.parse('2020-01-02T03:04:05Z'))).toBe('1577934245000000000')
  expect(timeEntry(0)).toBeUndefined()
  expect(timeEntry(undefined)).toBeUndefined()
})
