import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { noteError, readErrors } from '#mount/flush/error-log.ts'
import { exportStaging } from '#mount/flush/export.ts'
import { Flusher } from '#mount/flush/flusher.ts'
import { flushKept } from '#mount/flush/kept.ts'
import { LowerMissingError } from '#mount/flush/snapshot.ts'
import { statusOf } from '#mount/flush/status.ts'
import { inspectStaging } from '#mount/staging/inspect.ts'
import type { Staging } from '#mount/staging/staging.ts'
import { CredentialsError, StorageFullError, TransientStorageError } from '#repo/blob/errors.ts'
import type { StoredBlob } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { deleteSnapshot } from '#snapshot/model/snapshots.ts'
import { emptyPolicy } from '#snapshot/policy/defaults.ts'
import { setPolicy } from '#snapshot/policy/store.ts'
import { createSnapshot } from '#snapshot/upload/create.ts'
import { contentOf, memoryRepository, openAgain, rootOf, treeOf } from '../../snapshot/memory-repository.ts'
import { contentAt, copyIn, everything, flushNow, flushOptions, nodeAt, openOverlay, put, repositoryId } from './real-overlay.ts'

let folder: string
let local: string
let spool: string
let repository: DirectRepository
let blobs: Map<string, StoredBlob>
let staging: Staging
/** Makes the storage fail or wait. */
let fault: ((put: string) => Promise<void> | void) | undefined

const faulty = (inner: BlobStorage): BlobStorage =>
  new Proxy(inner, {
    get: (target, key) => {
      const value = Reflect.get(target, key, target) as unknown
      if (key !== 'put') return typeof value === 'function' ? value.bind(target) : value
      return async (...args: Parameters<BlobStorage['put']>) => {
        await fault?.(args[0])
        return target.put(...args)
      }
    },
  })

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kura-overlay-'))
  local = join(folder, 'local')
  spool = join(folder, 'spool')
  fault = undefined
  ;({ repository, blobs } = await memoryRepository({ wrap: faulty }))
  mkdirSync(join(local, 'docs/deep'), { recursive: true })
  mkdirSync(join(local, 'same'))
  writeFileSync(join(local, 'docs/a.txt'), 'a')
  writeFileSync(join(local, 'docs/deep/b.bin'), randomBytes(700_000))
  writeFileSync(join(local, 'same/c'), 'c')
  writeFileSync(join(local, 'größe'), 'utf-8')
  symlinkSync('docs/a.txt', join(local, 'link'))
})
afterEach(async () => {
  await staging?.close().catch(() => undefined)
  rmSync(folder, { recursive: true })
})

const source = () => ({ user: 'user', host: 'host', path: local })

async function create(): Promise<Snapshot> {
  const { snapshot } = await createSnapshot(repository, { source: source(), localPath: local }, {})
  await repository.flush()
  return snapshot
}

const flush = (over = {}) => flushNow(repository, local, staging, {}, over)

async function reopen(): Promise<void> {
  await staging.close()
  staging = await openOverlay(repository, spool, local)
}

async function textIn(snapshot: Snapshot, path: string): Promise<string> {
  return (await contentOf(repository, (await treeOf(repository, rootOf(snapshot))).get(path))).toString()
}

describe('the flush of an overlay', () => {
  it('has the root of a snapshot made of an equal folder', async () => {
    staging = await openOverlay(repository, spool, local)
    await copyIn(staging, local)
    const { snapshot } = await flush()
    expect(snapshot.rootEntry).toEqual((await create()).rootEntry)
  })

  it('has it after changes on top of a snapshot too, and after being opened again', async () => {
    staging = await openOverlay(repository, spool, local, await create())
    await put(staging, 'docs/deep/b.bin', 'other')
    await staging.rename(staging.root, 'same', await nodeAt(staging, 'docs'), 'moved', 0)
    await staging.unlink(staging.root, 'link')
    const before = await everything(staging)
    const { snapshot } = await flush()
    expect(await everything(staging)).toEqual(before)
    await reopen()
    expect(await everything(staging)).toEqual(before)
    expect([...(await treeOf(repository, rootOf(snapshot))).keys()].toSorted()).toEqual(
      ['', ...Object.keys(before).map((p) => p.slice(1))].toSorted(),
    )
    expect(staging.lower?.snapshotId).toBe(snapshot.id)
    expect(staging.usage().dirtyNodes).toBe(0)
  })

  it('is one moment of the tree, though writers go on', async () => {
    staging = await openOverlay(repository, spool, local)
    const [a, b] = [await put(staging, 'a', ''), await put(staging, 'b', '')]
    let count = 0
    const writeOne = async (): Promise<void> => {
      count++
      const bytes = Buffer.alloc(4_000, String(count % 10))
      await staging.write(a, 0, bytes, false)
      await staging.write(b, 0, bytes, false)
      await put(staging, `n${count}`, String(count))
    }
    let queue = Promise.resolve()
    const write = (): Promise<void> => {
      queue = queue.then(writeOne)
      return queue
    }
    for (let i = 0; i < 5; i++) {
      await write()
      const wanted = String(count % 10).repeat(4_000)
      const names = count
      let isOver = false
      const flushing = flushNow(repository, local, staging, { file: () => void write() }).finally(() => {
        isOver = true
      })
      while (!isOver) {
        await write()
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      await queue
      const { snapshot } = await flushing
      const tree = await treeOf(repository, rootOf(snapshot))
      expect((await contentOf(repository, tree.get('a'))).toString()).toBe(wanted)
      expect((await contentOf(repository, tree.get('b'))).toString()).toBe(wanted)
      expect(tree.size).toBe(names + 3)
    }
    const last = await everything(staging)
    expect(Object.keys(last)).toHaveLength(count + 2)
    await reopen()
    expect(await everything(staging)).toEqual(last)
  })

  it('uploads two chunks for one byte in a large file', async () => {
    const bytes = randomBytes(48 << 20)
    writeFileSync(join(local, 'large'), bytes)
    staging = await openOverlay(repository, spool, local, await create())
    const node = await nodeAt(staging, 'large')
    const at = 20_000_000
    await staging.write(node, at, Buffer.from([(bytes[at] as number) ^ 1]), false)
    const before = repository.contents.counters.hashedBytes
    const { snapshot } = await flush()
    const chunkBytes = repository.contents.counters.hashedBytes - before
    expect(chunkBytes).toBeLessThan(3 * 256 * 1024)
    bytes[at] = (bytes[at] as number) ^ 1
    expect((await contentOf(repository, (await treeOf(repository, rootOf(snapshot))).get('large'))).equals(bytes)).toBe(true)
  })
})

describe('what a snapshot leaves out', () => {
  it('stays in the overlay: rubbish, and files that the policy ignores', async () => {
    await setPolicy(repository, source(), { ...emptyPolicy, files: { ignore: ['*.tmp', 'cache'] } })
    await repository.flush()
    staging = await openOverlay(repository, spool, local)
    await copyIn(staging, local)
    await put(staging, 'x.tmp', 'ignored')
    await put(staging, 'docs/.a.swp', 'rubbish')
    await put(staging, await madeFolder('cache').then(() => 'cache/deep'), 'below')
    await put(staging, await madeFolder('.Trash-1000').then(() => '.Trash-1000/thrown'), 'away')
    const before = await everything(staging)
    const { snapshot } = await flush()
    expect([...(await treeOf(repository, rootOf(snapshot))).keys()].filter((p) => /tmp|swp|cache|Trash/.test(p))).toEqual([])
    expect(await everything(staging)).toEqual(before)
    await reopen()
    expect(await everything(staging)).toEqual(before)
    await put(staging, 'docs/a.txt', 'again')
    await flush()
    await reopen()
    expect(await contentAt(staging, 'cache/deep')).toBe('below')
    expect(await contentAt(staging, '.Trash-1000/thrown')).toBe('away')
    expect(await contentAt(staging, 'x.tmp')).toBe('ignored')
  })

  it('stays there too when it was in the snapshot before and the rules came later', async () => {
    staging = await openOverlay(repository, spool, local, await create())
    await put(staging, '.kopiaignore', 'a.txt\nsame\n')
    await put(staging, 'docs/new', 'new')
    const before = await everything(staging)
    const { snapshot } = await flush()
    const kept = [...(await treeOf(repository, rootOf(snapshot))).keys()]
    expect(kept).not.toContain('same')
    expect(kept).not.toContain('docs/a.txt')
    expect(kept).toContain('docs/new')
    await reopen()
    expect(await everything(staging)).toEqual(before)
    await put(staging, 'docs/new', 'newer')
    const next = await flush()
    expect([...(await treeOf(repository, rootOf(next.snapshot))).keys()].toSorted()).toEqual(kept.toSorted())
    await reopen()
    expect(await contentAt(staging, 'same/c')).toBe('c')
    expect(await contentAt(staging, 'docs/new')).toBe('newer')
  })
})

const madeFolder = async (name: string) => staging.make(staging.root, name, 0o040755, { uid: 1, gid: 2 })

describe('a flush that is killed', () => {
  it.each(['writing', 'saving', 'durable', 'committing', 'end'])('while %s loses nothing', async (when) => {
    staging = await openOverlay(repository, spool, local, await create())
    await put(staging, 'docs/a.txt', 'changed')
    await put(staging, 'docs/new', 'new')
    await staging.unlink(await nodeAt(staging, 'same'), 'c')
    const before = await everything(staging)
    const copy = join(folder, 'copy')
    let stored = new Map<string, StoredBlob>()
    const keep = (): void => {
      cpSync(spool, copy, { recursive: true })
      rmSync(join(copy, 'lock'))
      stored = new Map(blobs)
    }
    await flushNow(repository, local, staging, { phase: (phase) => void (phase === when && keep()) })
    if (when === 'end') keep()
    const other = await openAgain(stored)
    const again = await openOverlay(other, copy, local)
    expect(await everything(again)).toEqual(before)
    const { snapshot } = await flushNow(other, local, again)
    const tree = await treeOf(other, rootOf(snapshot))
    expect((await contentOf(other, tree.get('docs/a.txt'))).toString()).toBe('changed')
    expect(tree.has('same/c')).toBe(false)
    expect(tree.has('docs/new')).toBe(true)
    expect(await everything(again)).toEqual(before)
    await again.close()
  })
})

describe('a storage that fails during a flush', () => {
  const faults: Record<string, () => Error> = {
    'is full': () => new StorageFullError('the storage is full'),
    'cannot be reached': () => new TransientStorageError('the storage cannot be reached'),
    'refuses us': () => new CredentialsError('the storage refuses us'),
  }
  it.each(Object.entries(faults))('and %s: nothing is lost, and the next attempt is done', async (_name, error) => {
    staging = await openOverlay(repository, spool, local, await create())
    await put(staging, 'docs/new', randomBytes(100_000))
    const before = await everything(staging)
    const flusher = new Flusher(repository, staging, {
      ...flushOptions(local, staging),
      flushAfterMs: 6e5,
      flushEveryMs: 6e5,
      quiesceMs: 0,
    })
    fault = () => Promise.reject(error())
    expect((await flusher.flush()).error).toBeDefined()
    expect(flusher.state).toBe('failed')
    expect(statusOf(flusher).last?.error).toContain('the storage')
    await put(staging, 'later', 'x')
    await staging.unlink(staging.root, 'later')
    const { '/later': _, ...rest } = await everything(staging)
    expect(Object.keys(rest).toSorted()).toEqual(Object.keys(before).toSorted())
    fault = undefined
    const job = await flusher.flush()
    expect(job.error).toBeUndefined()
    expect(flusher.state).toBe('clean')
    expect(job.result?.newBytes).toBeGreaterThan(90_000)
    expect((await treeOf(repository, rootOf(job.result?.snapshot as Snapshot))).has('docs/new')).toBe(true)
    await flusher.stop()
  })

  it('and is slow: writers are not held up', async () => {
    staging = await openOverlay(repository, spool, local)
    await put(staging, 'a', randomBytes(100_000))
    // The storage answers when the writers are through: were they held up, nobody would ever be.
    let release: () => void = () => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const asked = new Promise<void>((resolve) => {
      fault = () => {
        resolve()
        return released
      }
    })
    const flushing = flush()
    await asked
    for (let i = 0; i < 50; i++) await put(staging, `b${i}`, 'x')
    release()
    const { snapshot } = await flushing
    expect((await treeOf(repository, rootOf(snapshot))).size).toBe(2)
    expect(staging.usage().dirtyFiles).toBe(50)
  })
})

describe('an overlay whose snapshot is not the newest', () => {
  async function changedElsewhere(): Promise<Snapshot> {
    writeFileSync(join(local, 'docs/theirs'), 'theirs')
    writeFileSync(join(local, 'same/c'), 'their c')
    return create()
  }

  it('makes its own snapshot and tells of the other', async () => {
    staging = await openOverlay(repository, spool, local, await create())
    await put(staging, 'docs/ours', 'ours')
    const other = await changedElsewhere()
    const { snapshot, concurrentId } = await flush()
    expect(concurrentId).toBe(other.id)
    expect((await treeOf(repository, rootOf(snapshot))).has('docs/theirs')).toBe(false)
  })

  it('puts its changes onto the other when told to', async () => {
    staging = await openOverlay(repository, spool, local, await create())
    await put(staging, 'docs/ours', 'ours')
    await put(staging, 'docs/a.txt', 'our a')
    await changedElsewhere()
    await staging.close()
    const options = { repositoryId, rebase: true, takeOver: false, keepRubbish: false, warn: () => undefined }
    const { snapshot } = await flushKept(repository, inspectStaging(spool), options)
    expect(await textIn(snapshot, 'docs/ours')).toBe('ours')
    expect(await textIn(snapshot, 'docs/a.txt')).toBe('our a')
    expect(await textIn(snapshot, 'docs/theirs')).toBe('theirs')
    expect(await textIn(snapshot, 'same/c')).toBe('their c')
    staging = await openOverlay(repository, spool, local)
    expect(await contentAt(staging, 'same/c')).toBe('their c')
    expect(await contentAt(staging, 'docs/ours')).toBe('ours')
    expect(staging.usage().dirtyNodes).toBe(0)
  })

  it('keeps all and says what to do when its own was deleted', async () => {
    const lower = await create()
    staging = await openOverlay(repository, spool, local, lower)
    await put(staging, 'docs/ours', 'ours')
    await deleteSnapshot(repository, lower.id)
    await repository.flush()
    await expect(flush()).rejects.toThrow(LowerMissingError)
    expect(await contentAt(staging, 'docs/ours')).toBe('ours')
    const report = await exportStaging(staging, join(folder, 'out'))
    expect(report.failures).toEqual([])
    expect(readdirSync(join(folder, 'out'), { recursive: true }).toSorted()).toEqual(['docs', 'docs/ours'])
    expect(readFileSync(join(folder, 'out/docs/ours'), 'utf8')).toBe('ours')
  })
})

it('says at once that the snapshot below is gone, and keeps the error beside the staging area', async () => {
  const lower = await create()
  staging = await openOverlay(repository, spool, local, lower)
  await deleteSnapshot(repository, lower.id)
  await repository.flush()
  const timers = { flushAfterMs: 6e5, flushEveryMs: 6e5, quiesceMs: 0 }
  const flusher = new Flusher(repository, staging, { ...flushOptions(local, staging), ...timers, onError: (e) => noteError(spool, e) })
  await vi.waitFor(() => expect(flusher.state).toBe('failed'), { timeout: 60_000 })
  expect(readErrors(spool)).toMatchObject([{ code: 'LOWER_MISSING', message: expect.stringContaining(lower.id) as string }])
  await flusher.stop()
})

it('runs the actions of the policy around a flush, when they are enabled', async () => {
  const marker = join(folder, 'marker')
  const action = (word: string) => ({ path: '/bin/sh', args: ['-c', `echo ${word} $KOPIA_SOURCE_PATH >> ${marker}`], mode: 'essential' })
  const actions = { beforeSnapshotRoot: action('before'), afterSnapshotRoot: action('after') }
  await setPolicy(repository, source(), { ...emptyPolicy, actions })
  await repository.flush()
  staging = await openOverlay(repository, spool, local)
  await put(staging, 'a', 'a')
  await flush({ actions: { isEnabled: true, version: 'v0', environment: process.env } })
  expect(readFileSync(marker, 'utf8')).toBe(`before ${local}\nafter ${local}\n`)
})

it('runs the folder actions of changed sub-folders with a policy, and of no others', async () => {
  const marker = join(folder, 'marker')
  const action = (word: string) => ({ path: '/bin/sh', args: ['-c', `echo ${word} $KOPIA_SOURCE_PATH >> ${marker}`], mode: 'essential' })
  const actions = { beforeFolder: action('before'), afterFolder: action('after') }
  for (const below of ['docs', 'same']) await setPolicy(repository, { ...source(), path: join(local, below) }, { ...emptyPolicy, actions })
  await repository.flush()
  staging = await openOverlay(repository, spool, local, await create())
  await put(staging, 'docs/deep/new', 'a')
  await flush({ actions: { isEnabled: true, version: 'v0', environment: process.env } })
  expect(readFileSync(marker, 'utf8')).toBe(`before ${join(local, 'docs')}\nafter ${join(local, 'docs')}\n`)
})

it('fails, and loses nothing, when an essential action before a sub-folder fails', async () => {
  const actions = { beforeFolder: { path: '/bin/false', args: [], mode: 'essential' } }
  await setPolicy(repository, { ...source(), path: join(local, 'docs') }, { ...emptyPolicy, actions })
  await repository.flush()
  staging = await openOverlay(repository, spool, local, await create())
  await put(staging, 'docs/new', 'a')
  await expect(flush({ actions: { isEnabled: true, version: 'v0', environment: process.env } })).rejects.toThrow(/before-folder/)
  expect(await contentAt(staging, 'docs/new')).toBe('a')
})

it('stores nothing anew of what was copied out of a snapshot, whole or as the beginning of another file', async () => {
  const bytes = randomBytes(700_000)
  writeFileSync(join(local, 'docs/deep/b.bin'), bytes)
  const lower = await create()
  const objectId = (await treeOf(repository, rootOf(lower))).get('docs/deep/b.bin')?.objectId as ObjectId
  staging = await openOverlay(repository, spool, local, lower)
  const whole = await put(staging, 'whole', '')
  await staging.copyObject(objectId, bytes.length, 0, whole, 0, bytes.length)
  const longer = await put(staging, 'longer', '')
  await staging.copyObject(objectId, bytes.length, 0, longer, 0, bytes.length)
  await staging.write(longer, bytes.length, Buffer.from('more'), false)
  expect(staging.usage().dirtyBytes).toBe(4)
  const { snapshot, newBytes } = await flush()
  const tree = await treeOf(repository, rootOf(snapshot))
  expect(tree.get('whole')?.objectId).toBe(objectId)
  expect((await contentOf(repository, tree.get('longer'))).equals(Buffer.concat([bytes, Buffer.from('more')]))).toBe(true)
  expect(newBytes).toBeLessThan(bytes.length + 100_000)
})
