import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { diskFiles } from '#mount/staging/spool-files.ts'
import type { Staging } from '#mount/staging/staging.ts'
import { emptyAttributes, type MutableAttributes } from '#mount/table.ts'
import { CrashScenario } from './crash-scenario.ts'
import { RecordedDisk } from './recorded-disk.ts'

let folder: string
let disk: RecordedDisk
let scenario: CrashScenario
let staging: Staging
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kura-rules-'))
  disk = new RecordedDisk()
  scenario = new CrashScenario(folder, disk)
  staging = await scenario.open()
})
afterEach(async () => {
  await staging.close().catch(() => undefined)
  rmSync(folder, { recursive: true, force: true })
})

const owner = { uid: 1, gid: 1 }
const attributes = (node: number): MutableAttributes => {
  const a = emptyAttributes()
  staging.attributes(node, a)
  return a
}
const reopen = async (): Promise<void> => {
  await staging.close()
  staging = await scenario.open()
}

describe('set-id bits', () => {
  it('go when the owner changes, a byte is written or the file is cut, unless the writer may keep them', async () => {
    const f = await staging.make(staging.root, 'f', 0o106755, owner)
    await staging.write(f, 0, Buffer.from('a'), false)
    expect(attributes(f).mode & 0o7777).toBe(0o6755)
    await staging.write(f, 0, Buffer.from('a'), true)
    expect(attributes(f).mode & 0o7777).toBe(0o755)
    await staging.setAttributes(f, { mode: 0o6755 })
    await staging.setAttributes(f, { sizeBytes: 0, dropSetIds: true })
    expect(attributes(f).mode & 0o7777).toBe(0o755)
    await staging.setAttributes(f, { mode: 0o6745 })
    await staging.setAttributes(f, { gid: 3 })
    expect(attributes(f).mode & 0o7777, 'without group execution, set-group-id is no such bit').toBe(0o2745)
    const d = await staging.make(staging.root, 'd', 0o042755, owner)
    await staging.setAttributes(d, { gid: 3 })
    expect(attributes(d).mode & 0o7777).toBe(0o2755)
  })
})

describe('a file without a name', () => {
  it('gets one by link, and is let go with its bytes when it never does', async () => {
    const [kept, gone] = [
      await staging.makeUnnamed(staging.root, 0o100600, owner),
      await staging.makeUnnamed(staging.root, 0o100600, owner),
    ]
    for (const node of [kept, gone]) {
      staging.opened(node, true)
      await staging.write(node, 0, Buffer.from('bytes'), false)
    }
    await staging.link(kept, staging.root, 'named')
    expect(attributes(kept).linkCount).toBe(1)
    for (const node of [kept, gone]) staging.closed(node, true)
    expect(staging.usage().dirtyBytes).toBe(5)
    await reopen()
    expect([...(await scenario.read(staging)).keys()]).toEqual(['/low', '/named'])
  })
})

describe('extended attributes', () => {
  it('are kept over a remount, and follow the flags', async () => {
    const f = (await staging.lookup(staging.root, 'low')) as number
    await staging.setXattr(f, 'user.a', Buffer.from('1'), 1)
    expect(() => staging.setXattr(f, 'user.a', Buffer.from('2'), 1)).toThrow('17')
    expect(() => staging.setXattr(f, 'user.b', Buffer.from('2'), 2)).toThrow('61')
    expect(() => staging.setXattr(f, 'system.posix_acl_access', Buffer.from('2'), 0)).toThrow('95')
    await staging.setXattr(f, 'user.a', Buffer.from('2'), 2)
    await reopen()
    const again = (await staging.lookup(staging.root, 'low')) as number
    expect(Buffer.from(staging.getXattr(again, 'user.a') as Uint8Array).toString()).toBe('2')
    expect(staging.freeze().droppedXattrs).toBe(1)
    await staging.removeXattr(again, 'user.a')
    expect(staging.listXattrs(again)).toEqual([])
  })
})

describe('space', () => {
  it('is promised by fallocate, given back when the file is cut, and writes wait above 90 %', async () => {
    const f = await staging.make(staging.root, 'f', 0o100600, owner)
    const g = await staging.make(staging.root, 'g', 0o100600, owner)
    const limit = staging.usage().spoolLimitBytes
    await staging.allocate(f, 0, limit / 2, 0)
    expect(attributes(f).sizeBytes).toBe(limit / 2)
    expect(() => staging.allocate(g, 0, limit, 0)).toThrow('full')
    expect(staging.usage().spoolUsedBytes).toBe(limit / 2)
    await staging.allocate(g, 0, limit / 2 - 4096, 1)
    expect(attributes(g).sizeBytes).toBe(0)
    const promised = staging.write(g, 0, Buffer.alloc(1000), false)
    expect(promised).toBeInstanceOf(Promise)
    await promised
    expect(() => staging.make(staging.root, 'x', 0o100600, owner).toString()).not.toThrow()
    const h = await staging.make(staging.root, 'h', 0o100600, owner)
    expect(() => staging.write(h, 0, Buffer.alloc(5000), false)).toThrow('full')
    await staging.setAttributes(f, { sizeBytes: 0 })
    expect(await staging.write(h, 0, Buffer.alloc(5000), false)).toBeUndefined()
  })

  it('comes back on the disk when files are cut, emptied and removed, after the journal says so', async () => {
    await staging.close()
    scenario = new CrashScenario(folder, disk, { smallFileBytes: 0 })
    rmSync(folder, { recursive: true })
    staging = await scenario.open(diskFiles)
    const sizes = (): number[] =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile() && !['lock', 'journal'].includes(e.name))
        .map((e) => statSync(join(e.parentPath, e.name)).size)
    const [f, g] = [await staging.make(staging.root, 'f', 0o100600, owner), await staging.make(staging.root, 'g', 0o100600, owner)]
    for (const node of [f, g]) await staging.write(node, 0, Buffer.alloc(100_000, 1), false)
    await staging.setAttributes(f, { sizeBytes: 10 })
    await staging.unlink(staging.root, 'g')
    expect(sizes()).toEqual([100_000, 100_000])
    await staging.syncAll()
    expect(sizes()).toEqual([10])
    expect(staging.usage().spoolUsedBytes).toBe(10)
    await staging.setAttributes(f, { sizeBytes: 0 })
    await staging.syncAll()
    expect(sizes()).toEqual([])
  })
})

describe('the journal', () => {
  it('shares one sync among those who wait for it', async () => {
    const files = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const f = await staging.make(staging.root, `f${i}`, 0o100600, owner)
        await staging.write(f, 0, Buffer.from('x'), false)
        return f
      }),
    )
    const before = disk.events.length
    await Promise.all(files.map((f) => staging.sync(f)))
    expect(disk.events.slice(before).filter((e) => e.kind === 'sync').length).toBeLessThan(6)
  })

  it('is written anew by itself when it has grown, and comes back the same', async () => {
    const f = await staging.make(staging.root, 'f', 0o100600, owner)
    for (let i = 0; i < 80; i++) await staging.setXattr(f, 'user.large', Buffer.alloc(60_000, i), 0)
    await staging.write(f, 0, Buffer.from('end'), false)
    const grown = disk.stat(join(folder, 'journal'))?.sizeBytes as number
    await staging.syncAll()
    expect(disk.stat(join(folder, 'journal'))?.sizeBytes).toBeLessThan(grown / 10)
    const state = await scenario.read(staging)
    await reopen()
    expect([...(await scenario.read(staging))].map(([path, { meta }]) => [path, meta])).toEqual(
      [...state].map(([path, { meta }]) => [path, meta]),
    )
  })
})

describe('after a flush', () => {
  it('what the kernel forgets leaves the table, and comes from the new snapshot', async () => {
    const { root } = staging
    const d = await staging.make(root, 'd', 0o040755, owner)
    staging.remember(d)
    const files = await Promise.all(Array.from({ length: 200 }, async (_, i) => staging.make(d, `f${i}`, 0o100600, owner)))
    for (const f of files) {
      staging.remember(f)
      await staging.write(f, 0, Buffer.from(`content ${f}`), false)
    }
    await staging.unlink(d, 'f7')
    const point = staging.freeze()
    expect(() => staging.freeze()).toThrow('under way')
    const { rootObject, objects } = await scenario.repository.write(point)
    await point.commit({ snapshotId: 's2', rootObject, objects })
    const before = await scenario.read(staging)
    const kept = files[3] as number
    for (const f of files) if (f !== kept) staging.forget(f, 1)
    expect(() => staging.attributes(files[5] as number, emptyAttributes())).toThrow('116')
    expect(attributes(kept).sizeBytes).toBeGreaterThan(0)
    expect(await staging.lookup(d, 'f3')).toBe(kept)
    expect(await staging.lookup(d, 'f7')).toBeUndefined()
    const after = await scenario.read(staging)
    expect([...after].map(([path, { meta, data }]) => [path, meta, `${data}`])).toEqual(
      [...before].map(([path, { meta, data }]) => [path, meta, `${data}`]),
    )
    staging.forget(kept, 1)
    staging.forget(d, 1)
    await staging.write((await staging.lookup((await staging.lookup(root, 'd')) as number, 'f3')) as number, 0, Buffer.from('C'), false)
    expect(staging.usage().dirtyNodes).toBeGreaterThan(0)
    const changed = await scenario.read(staging)
    await reopen()
    const again = await scenario.read(staging)
    expect([...again].map(([path, { meta, data }]) => [path, meta, `${data}`])).toEqual(
      [...changed].map(([path, { meta, data }]) => [path, meta, `${data}`]),
    )
  })
})
