import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { FuseError } from '#fuse/errno.ts'
import { FlushControl } from '#mount/flush/control.ts'
import { Flusher } from '#mount/flush/flusher.ts'
import type { Staging, StagingUsage } from '#mount/staging/staging.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { memoryRepository } from '../../snapshot/memory-repository.ts'
import { LocalPoint } from './local-point.ts'

let folder: string
let repository: DirectRepository
let points: LocalPoint[]
let usage: { -readonly [K in keyof StagingUsage]: StagingUsage[K] }
let staging: Staging

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kura-flusher-'))
  mkdirSync(join(folder, 'a'))
  writeFileSync(join(folder, 'a/b'), 'b')
  repository = (await memoryRepository()).repository
  points = []
  usage = {
    dirtyFiles: 1,
    dirtyNodes: 2,
    dirtyBytes: 1,
    spoolUsedBytes: 1,
    spoolLimitBytes: 100,
    openWriters: 0,
    firstChangeMs: undefined,
    lastChangeMs: undefined,
  }
  const ready = await LocalPoint.of(repository, folder, undefined)
  const fake: Partial<Staging> = {
    lower: undefined,
    usage: () => ({ ...usage }),
    freeze: () => {
      points.push(ready)
      usage.firstChangeMs = usage.lastChangeMs = undefined
      return ready
    },
    onChange: undefined,
  }
  staging = fake as Staging
})
afterEach(() => rmSync(folder, { recursive: true }))

function changed(): void {
  const nowMs = Date.now()
  usage.firstChangeMs ??= nowMs
  usage.lastChangeMs = nowMs
  staging.onChange?.()
}

const flusher = (over: Partial<Flusher['options']> = {}, repo = repository) =>
  new Flusher(repo, staging, {
    source: { user: 'user', host: 'host', path: folder },
    description: '',
    tags: {},
    pins: [],
    keepRubbish: false,
    keepIdentical: false,
    flushAfterMs: 60_000,
    flushEveryMs: 900_000,
    quiesceMs: 100,
    ...over,
  })

it('flushes when told to, and says what came of it', async () => {
  const f = flusher()
  changed()
  expect(f.state).toBe('dirty')
  const running = f.flush()
  expect(f.state).toBe('flushing')
  const job = await running
  expect(job.error).toBeUndefined()
  expect(job.result?.snapshot.id).toMatch(/^[0-9a-f]{32}$/)
  expect(f.state).toBe('clean')
  await f.stop()
})

it('flushes by itself when nothing has changed for a while', async () => {
  let done: (() => void) | undefined
  const finished = new Promise<void>((resolve) => {
    done = resolve
  })
  const f = flusher({ flushAfterMs: 30, onDone: () => done?.() })
  changed()
  await finished
  expect(points).toHaveLength(1)
  await f.stop()
})

it('flushes without waiting when the spool is nearly full', async () => {
  let done: (() => void) | undefined
  const finished = new Promise<void>((resolve) => {
    done = resolve
  })
  const f = flusher({ onDone: () => done?.() })
  usage.spoolUsedBytes = 81
  changed()
  await finished
  expect(points).toHaveLength(1)
  await f.stop()
})

it('joins a job when nothing has changed since it began, and follows it when something has', async () => {
  const f = flusher()
  changed()
  const [one, two] = await Promise.all([f.flush(), f.flush()])
  expect(two.id).toBe(one.id)
  changed()
  const first = f.flush()
  await new Promise((resolve) => setImmediate(resolve))
  changed()
  const second = f.flush()
  expect((await second).id).toBe((await first).id + 1)
  await f.stop()
})

it('waits for writers, but not for ever', async () => {
  const f = flusher()
  usage.openWriters = 1
  changed()
  await f.flush()
  expect(points).toHaveLength(1)
  await f.stop()
})

it('keeps the state failed, with the error, until a flush succeeds', async () => {
  let isFull = true
  const failing = new Proxy(repository, {
    get: (target, key) => {
      if (key === 'flush' && isFull) return () => Promise.reject(new Error('storage full'))
      const value = Reflect.get(target, key, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const f = flusher({}, failing)
  changed()
  expect((await f.flush()).error).toBeInstanceOf(Error)
  expect(f.state).toBe('failed')
  expect(f.errors.map((e) => e.message)).toEqual(['storage full'])
  isFull = false
  expect((await f.flush()).error).toBeUndefined()
  expect(f.state).toBe('clean')
  await f.stop()
})

it('tries again by itself: after a minute, then two, four, ... and every hour', async () => {
  const failing = new Proxy(repository, {
    get: (target, key) => {
      if (key === 'flush') return () => Promise.reject(new Error('storage full'))
      const value = Reflect.get(target, key, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const f = flusher({ flushAfterMs: 0, flushEveryMs: 0 }, failing)
  changed()
  await f.flush()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    for (const [n, minutes] of [1, 2, 4, 8, 16, 32, 60, 60].entries()) {
      changed() // what could not be flushed is still there
      expect(f.state).toBe('failed')
      await vi.advanceTimersByTimeAsync(minutes * 60_000 - 1)
      expect(f.job).toBeUndefined()
      await vi.advanceTimersByTimeAsync(1)
      while (f.job) await new Promise((resolve) => setImmediate(resolve))
      expect(f.errors).toHaveLength(n + 2)
    }
    await f.stop()
  } finally {
    vi.useRealTimers()
  }
})

it('answers the control files and attributes', async () => {
  const f = flusher()
  const control = new FlushControl(new Map([['backup', f]]))
  const read = (name: string) => Buffer.from(control.read(name)).toString()
  changed()
  expect(JSON.parse(read('status'))).toMatchObject({ state: 'dirty', dirty_files: 1, job: null, last: null })
  expect(() => control.write('flush', Buffer.from('later'))).toThrow(FuseError)
  control.write('flush', Buffer.from('now\n'))
  await control.sync('flush')
  expect(read('last-snapshot')).toBe(`${f.last?.result?.snapshot.id}\n`)
  expect(JSON.parse(read('status'))).toMatchObject({ state: 'clean', last: { files: 1, error: '' } })
  const status = JSON.parse(read('status')) as { last: object }
  expect(Object.keys(status).join()).toBe('state,dirty_files,dirty_bytes,spool_used,spool_limit,pre_uploaded,lower,job,last')
  const written = expect.any(Number) as number
  expect(status.last).toMatchObject({ bytes: 1, new_bytes: written, dropped: { xattrs: 0, special: 0, links: 0 } })
  expect(read('errors')).toBe('')
  expect(Buffer.from(control.getXattr(staging, 'user.kura.state') ?? []).toString()).toBe('clean')
  expect(() => control.setXattr(staging, 'user.other', Buffer.from('x'))).toThrow(FuseError)
  await f.stop()
})
