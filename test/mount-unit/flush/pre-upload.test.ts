import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Flusher } from '#mount/flush/flusher.ts'
import type { FrozenFile } from '#mount/flush/members.ts'
import { PreUploader } from '#mount/flush/pre-upload.ts'
import { PreUploaded } from '#mount/flush/pre-uploaded.ts'
import type { Staging } from '#mount/staging/staging.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { emptyPolicy } from '#snapshot/policy/defaults.ts'
import { effectivePolicy, setPolicy } from '#snapshot/policy/store.ts'
import { contentOf, memoryRepository, rootOf, treeOf } from '../../snapshot/memory-repository.ts'
import { flushNow, flushOptions, nodeAt, openOverlay, put } from './real-overlay.ts'

const path = '/src'
let folder: string
let repository: DirectRepository
let staging: Staging
let ahead: PreUploader

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kura-ahead-'))
  ;({ repository } = await memoryRepository())
  staging = await openOverlay(repository, join(folder, 'spool'), path)
  ahead = new PreUploader(repository, staging, flushOptions(path, staging))
})
afterEach(async () => {
  await ahead.stop()
  await staging.close()
  rmSync(folder, { recursive: true })
})

async function uploadAhead(files: number): Promise<void> {
  ahead.wake(0)
  await vi.waitFor(() => expect(ahead.files).toBe(files), { timeout: 60_000 })
  await ahead.stop()
}

const flush = () => flushNow(repository, path, staging, {}, { uploaded: ahead.uploaded })

describe('contents uploaded ahead of a flush', () => {
  it('leave it nothing to store but the tree, and stay in the spool until then', async () => {
    const bytes = randomBytes(2_500_000)
    await put(staging, 'large', bytes)
    await put(staging, 'small', bytes.subarray(0, 90_000))
    const before = staging.usage()
    await uploadAhead(2)
    expect(staging.usage()).toEqual(before)
    const { snapshot, newBytes } = await flush()
    expect(newBytes).toBeLessThan(20_000)
    const tree = await treeOf(repository, rootOf(snapshot))
    expect(bytes.equals(await contentOf(repository, tree.get('large')))).toBe(true)
    expect((await contentOf(repository, tree.get('small'))).length).toBe(90_000)
    expect(staging.usage().spoolUsedBytes).toBe(0)
  })

  it('are not used for a file that was changed since, or cut, or written again', async () => {
    for (const name of ['changed', 'cut', 'again']) await put(staging, name, `${name} before`)
    await uploadAhead(3)
    await staging.write(await nodeAt(staging, 'changed'), 0, Buffer.from('CHANGED'), false)
    await staging.setAttributes(await nodeAt(staging, 'cut'), { sizeBytes: 3 })
    await put(staging, 'again', 'new')
    const tree = await treeOf(repository, rootOf((await flush()).snapshot))
    const texts = await Promise.all(['changed', 'cut', 'again'].map(async (n) => (await contentOf(repository, tree.get(n))).toString()))
    expect(texts).toEqual(['CHANGED before', 'cut', 'new'])
  })

  it('are those that were left alone longest, of files that nobody writes and no rule leaves out', async () => {
    await setPolicy(repository, { user: 'user', host: 'host', path }, { ...emptyPolicy, files: { ignore: ['*.tmp'] } })
    await repository.flush()
    await put(staging, 'done', 'done')
    await put(staging, 'x.tmp', 'temporary')
    await put(staging, '.goutputstream-X', 'rubbish')
    staging.opened(await put(staging, 'open', 'open'), true)
    await uploadAhead(1)
    expect(ahead.bytes).toBe(4)
  })
})

it('a spool above 70 % has its contents uploaded, and is flushed only above 80 %', async () => {
  const usage = { ...staging.usage(), spoolLimitBytes: 100, spoolUsedBytes: 75 }
  const timers = { flushAfterMs: 6e5, flushEveryMs: 6e5, quiesceMs: 0, delayMs: 0 }
  const done: number[] = []
  const watched = Object.assign(Object.create(staging), { usage: () => ({ ...staging.usage(), ...usage }) }) as Staging
  const flusher = new Flusher(repository, watched, { ...flushOptions(path, staging), ...timers, onDone: ({ id }) => done.push(id) })
  await put(staging, 'a', 'aaa')
  watched.onChange?.()
  await vi.waitFor(() => expect(flusher.ahead.files).toBe(1), { timeout: 60_000 })
  expect(done).toEqual([])
  await flusher.stop()
})

describe('a full spool', () => {
  const timers = { flushAfterMs: 6e5, flushEveryMs: 6e5, quiesceMs: 6e5 }
  const piece = randomBytes(700_000)
  let small: Staging
  beforeEach(async () => {
    small = await openOverlay(repository, join(folder, 'small'), path, undefined, { spoolLimitBytes: 1_000_000 })
  })
  afterEach(() => small.close())

  it('lets a write wait for the flush that makes room, also one of a file that is larger than the spool', async () => {
    const flusher = new Flusher(repository, small, { ...flushOptions(path, small), ...timers })
    const node = await small.make(small.root, 'large', 0o100644, { uid: 1, gid: 2 })
    small.opened(node, true)
    for (let i = 0; i < 4; i++) await small.write(node, i * piece.length, piece, false)
    small.closed(node, true)
    const { result } = await flusher.flush()
    const tree = await treeOf(repository, rootOf(result?.snapshot as Snapshot))
    expect((await contentOf(repository, tree.get('large'))).equals(Buffer.concat([piece, piece, piece, piece]))).toBe(true)
    await flusher.stop()
  })

  it('is ENOSPC at once when flushes fail, and when nobody flushes', async () => {
    await put(small, 'a', piece)
    await expect(put(small, 'b', piece)).rejects.toThrow(/spool is full/)
    const failing = { ...flushOptions(path, small), ...timers, lowerId: 'gone' }
    const flusher = new Flusher(withoutFlush(repository), small, failing)
    expect((await flusher.flush()).error).toBeDefined()
    await expect(put(small, 'b', piece)).rejects.toThrow(/spool is full/)
    expect((await small.read(await nodeAt(small, 'a'), 0, 4)).length).toBe(4)
    await flusher.stop()
  })
})

/** The storage takes nothing any more. */
const withoutFlush = (real: DirectRepository): DirectRepository =>
  new Proxy(real, {
    get: (target, key) => {
      if (key === 'flush') return () => Promise.reject(new Error('storage full'))
      const value = Reflect.get(target, key, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })

describe('after 12 hours', () => {
  const node = { contentKey: {}, sizeBytes: 1 } as unknown as FrozenFile
  it.each([
    [11, false, 'o'],
    [13, true, 'o'],
    [13, false, undefined],
    [-1, false, undefined],
  ])('%d h old, present %s: %s', async (hours, isPresent, expected) => {
    let nowMs = 1_000_000_000_000
    const clock = { nowMs: () => nowMs, nowNs: () => BigInt(nowMs) * 1_000_000n }
    const effective = (await effectivePolicy(repository, { user: 'user', host: 'host', path })).effective
    const known = new PreUploaded({ isPresent: async () => isPresent }, clock)
    known.note(node, 'a', effective, 'o' as ObjectId)
    nowMs += hours * 3_600_000
    expect(await known.find(node, 'a', effective)).toBe(expected)
  })
})
