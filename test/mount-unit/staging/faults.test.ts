import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errnoOf } from '#fuse/errno.ts'
import { readChanges } from '#mount/staging/changes.ts'
import type { Staging } from '#mount/staging/staging.ts'
import { CrashScenario, metaOf, type TreeState } from './crash-scenario.ts'
import { RecordedDisk } from './recorded-disk.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kura-faults-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const owner = { uid: 1, gid: 1 }
/** Without node numbers, which unchanged entries of the lower tree get anew. */
const plain = (state: TreeState): unknown[] => [...state].map(([path, { meta, data }]) => [path, meta, data.toString('hex')])
const errnoOfRead = async (run: () => unknown): Promise<number> => {
  try {
    await run()
    return 0
  } catch (error) {
    return errnoOf(error)
  }
}
const full = (): never => {
  throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
}

/** One operation of each kind. */
function operations(staging: Staging): (() => unknown)[] {
  const { root } = staging
  let f = 0
  let d = 0
  return [
    async () => (f = await staging.make(root, 'f', 0o100600, owner)),
    async () => (d = await staging.make(root, 'd', 0o040755, owner)),
    () => staging.write(f, 0, Buffer.from('some bytes'), false),
    () => staging.setXattr(f, 'user.x', Buffer.from('1'), 0),
    () => staging.makeLink(root, 's', Buffer.from('target'), owner),
    () => staging.link(f, d, 'hard'),
    () => staging.setAttributes(f, { sizeBytes: 4 }),
    () => staging.rename(root, 'f', root, 'low', 0),
    () => staging.unlink(root, 's'),
    () => staging.write(f, 1, Buffer.alloc(5000, 7), false),
  ]
}

describe('when the disk fails', () => {
  it('at any write with ENOSPC, the operation fails whole, the others do not, and nothing is lost', async () => {
    for (let k = 1; k <= 12; k++) {
      const disk = new RecordedDisk()
      const scenario = new CrashScenario(folder, disk, { smallFileBytes: k % 2 === 0 ? 0 : 1 << 20 })
      const staging = await scenario.open()
      let writes = 0
      disk.onWrite = () => {
        if (++writes === k) full()
      }
      let failed = 0
      for (const run of operations(staging)) {
        const before = metaOf(await scenario.read(staging))
        try {
          await run()
        } catch (error) {
          if (errnoOf(error) !== 28) {
            expect(failed, `write ${k}: ${String(error)}`).toBeGreaterThan(0) // what needed the failed one
            continue
          }
          failed++
          expect(metaOf(await scenario.read(staging))).toBe(before)
        }
      }
      expect(failed).toBe(1)
      disk.onWrite = () => undefined
      await staging.write(
        (await staging.lookup(staging.root, 'd')) === undefined
          ? await staging.make(staging.root, 'x', 0o100600, owner)
          : await staging.make(staging.root, 'y', 0o100600, owner),
        0,
        Buffer.from('on'),
        false,
      )
      const state = await scenario.read(staging)
      scenario.forgetLock()
      const again = await scenario.open(disk.afterProcessCrash(disk.events.length))
      expect(plain(await scenario.read(again))).toEqual(plain(state))
      await again.close()
    }
  })

  it('at a sync, fsync says so, and the next one puts all bytes on disk again', async () => {
    const disk = new RecordedDisk()
    const scenario = new CrashScenario(folder, disk, { smallFileBytes: 0 })
    const staging = await scenario.open()
    const f = await staging.make(staging.root, 'f', 0o100600, owner)
    for (const fails of [1, 2]) {
      await staging.write(f, 3, Buffer.from(`precious${fails}`), false)
      let syncs = 0
      disk.onSync = () => {
        if (++syncs === fails) throw Object.assign(new Error('bad disk'), { code: 'EIO' })
      }
      await expect(staging.sync(f)).rejects.toThrow('bad disk')
      disk.onSync = () => undefined
      // What the kernel dropped: all that was not synced by a later call.
      const from = disk.events.length
      await staging.syncAll()
      await staging.sync(f)
      const written = disk.events.slice(from).filter((e) => e.kind === 'write')
      expect(written.length).toBeGreaterThan(0)
    }
    const state = await scenario.read(staging)
    scenario.forgetLock()
    const again = await scenario.open(disk.afterMachineCrash(disk.events.length, () => false))
    expect(plain(await scenario.read(again))).toEqual(plain(state))
  })

  it('while the journal cannot be written anew after a flush, nothing that the old one needs is removed', async () => {
    const disk = new RecordedDisk()
    const scenario = new CrashScenario(folder, disk, { smallFileBytes: 4 })
    const staging = await scenario.open()
    const f = await staging.make(staging.root, 'f', 0o100600, owner)
    await staging.write(f, 0, Buffer.from('four'), false)
    await staging.write(f, 4, Buffer.from('in its own file'), false)
    const state = await scenario.read(staging)
    const point = staging.freeze()
    const { rootObject, objects } = await scenario.repository.write(point)
    await staging.syncAll()
    disk.onSync = full
    await expect(point.commit({ snapshotId: 's2', rootObject, objects })).rejects.toThrow('no space')
    point.abandon()
    disk.onSync = () => undefined
    await staging.syncAll()
    scenario.forgetLock()
    const again = await scenario.open(disk.afterProcessCrash(disk.events.length))
    expect(metaOf(await scenario.read(again))).toBe(metaOf(state))
    expect((await scenario.read(again)).get('/f')?.data.toString()).toBe('fourin its own file')
  })
})

describe('at recovery', () => {
  it('damage of any record keeps what came before, the whole journal, and spool files nobody speaks of', async () => {
    const disk = new RecordedDisk()
    const scenario = new CrashScenario(folder, disk, { smallFileBytes: 0 })
    scenario.staging = await scenario.open()
    await scenario.step(() => undefined)
    for (const run of operations(scenario.staging)) await scenario.step(run)
    const journal = disk.events.flatMap((e) => (e.kind === 'write' && e.file === 1 ? [e] : []))
    const types = new Set(journal.slice(2).flatMap((e) => readChanges(e.data.subarray(17), 2 ** 32).map((c) => c.type)))
    expect([...types].sort()).toEqual(['base', 'name', 'node', 'range', 'size', 'target', 'xattr'])
    for (const [index, event] of journal.entries()) {
      if (index < 2) continue
      const copy = disk.afterProcessCrash(disk.events.length)
      copy.damage(join(folder, 'journal'), event.position + 17 + (index % Math.max(1, event.data.length - 17)))
      scenario.warnings.length = 0
      scenario.forgetLock()
      const staging = await scenario.open(copy)
      const meta = metaOf(await scenario.read(staging))
      expect(scenario.states.map(metaOf)).toContain(meta)
      const isLast = index === journal.length - 1
      if (!isLast) {
        expect(scenario.warnings.join('\n')).toContain('the journal is damaged')
        expect(copy.stat(join(folder, 'journal.damaged-1'))?.sizeBytes).toBeGreaterThan(event.position)
      }
      if (index === 3) expect(copy.describe().filter((name) => name.startsWith('lost/'))).toHaveLength(1)
      await staging.close()
    }
  })

  it('spool files without a journal are kept aside', async () => {
    const disk = new RecordedDisk()
    const scenario = new CrashScenario(folder, disk)
    const staging = await scenario.open()
    await staging.write(await staging.make(staging.root, 'f', 0o100600, owner), 0, Buffer.from('x'), false)
    await staging.close()
    disk.remove(join(folder, 'journal'))
    const again = await scenario.open()
    expect(scenario.warnings.join()).toContain('kept there')
    expect(disk.describe().filter((name) => name.startsWith('lost/'))).toEqual(['lost/small-0'])
    await again.close()
  })

  it('a lower object that is shorter than its entry is an error, not a short file', async () => {
    const scenario = new CrashScenario(folder, new RecordedDisk())
    const staging = await scenario.open()
    const low = (await staging.lookup(staging.root, 'low')) as number
    await staging.setAttributes(low, { mode: 0o600 })
    scenario.repository.files.set('f1', Buffer.from('low'))
    expect(await errnoOfRead(() => staging.read(low, 0, 100))).toBe(5)
    await staging.close()
  })

  it('a damaged head is refused and nothing is changed', async () => {
    const disk = new RecordedDisk()
    const scenario = new CrashScenario(folder, disk)
    await (await scenario.open()).close()
    for (const at of [0, 9, 30]) {
      const copy = disk.afterProcessCrash(disk.events.length)
      copy.damage(join(folder, 'journal'), at)
      const events = copy.events.length
      await expect(scenario.open(copy)).rejects.toThrow('damaged at its head')
      expect(copy.events).toHaveLength(events)
    }
  })

  it('says which file lost bytes, once, and removes files that no name leads to', async () => {
    const disk = new RecordedDisk()
    const scenario = new CrashScenario(folder, disk, { smallFileBytes: 0 })
    const staging = await scenario.open()
    const f = await staging.make(staging.root, 'f', 0o100600, owner)
    await staging.write(f, 0, Buffer.from('0123456789'), false)
    const open = await staging.makeUnnamed(staging.root, 0o100600, owner)
    staging.opened(open, true)
    await staging.write(open, 0, Buffer.from('nobody'), false)
    await staging.syncAll()
    const copy = disk.afterProcessCrash(disk.events.length)
    const [path] = ['02', '03'].flatMap((d) => copy.names(join(folder, d)).map((n) => join(folder, d, n)))
    expect(path).toBeDefined()
    const fd = copy.open(path as string, false)
    copy.truncate(fd, 4)
    copy.close(fd)
    expect(copy.describe()).toHaveLength(3)
    scenario.forgetLock()
    const again = await scenario.open(copy)
    expect(scenario.warnings).toEqual(['/f: 6 bytes were not on disk when the machine stopped; they are zeros now'])
    expect((await scenario.read(again)).get('/f')?.data.toString('latin1')).toBe('0123\0\0\0\0\0\0')
    expect(copy.describe()).toHaveLength(2)
    await again.close()
    await (await scenario.open(copy)).close()
    expect(scenario.warnings).toHaveLength(1)
  })

  it('goes on after the clock was set back, and at another place among the sources', async () => {
    const disk = new RecordedDisk()
    const scenario = new CrashScenario(folder, disk)
    const staging = await scenario.open()
    await staging.write((await staging.lookup(staging.root, 'low')) as number, 0, Buffer.from('L'), false)
    scenario.nowNs = 5n
    const made = await staging.make(staging.root, 'early', 0o100600, owner)
    await staging.write(made, 0, Buffer.from('x'), false)
    expect(staging.usage().lastChangeMs).toBe(0)
    const state = await scenario.read(staging)
    await staging.close()
    const elsewhere = new CrashScenario(folder, disk, { firstNode: 2 ** 40 })
    const again = await elsewhere.open()
    const moved = await elsewhere.read(again)
    expect(metaOf(moved)).toBe(metaOf(state))
    expect(again.root).toBe(2 ** 40 + 1)
    const numbers = [...state.values()].map((f) => f.node - 2 ** 32)
    expect((await again.make(again.root, 'new', 0o100600, owner)) - 2 ** 40).toBeGreaterThan(Math.max(...numbers))
    await again.close()
  })

  it('takes over the lock of a process that is gone, and of one whose number another process has now', async () => {
    const scenario = new CrashScenario(folder, new RecordedDisk())
    const { readFileSync } = await import('node:fs')
    const staging = await scenario.open()
    const own = JSON.parse(readFileSync(join(folder, 'lock'), 'utf8')) as Record<string, unknown>
    await staging.close()
    expect(readdirSync(folder)).toEqual([])
    for (const stale of [{ ...own, pid: 2 ** 22 + 1 }, { ...own, started: '1' }, { ...own, bootId: 'earlier' }, undefined]) {
      writeFileSync(join(folder, 'lock'), stale === undefined ? '{"pid":' : JSON.stringify(stale))
      await (await scenario.open()).close()
    }
    writeFileSync(join(folder, 'lock'), JSON.stringify({ ...own, machineId: 'other' }))
    await expect(scenario.open()).rejects.toThrow('locked by another machine')
    writeFileSync(join(folder, 'lock'), JSON.stringify(own))
    await expect(scenario.open()).rejects.toThrow('in use by process')
  })
})
