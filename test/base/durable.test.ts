import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeDirectoryBelow, writeDurably } from '#base/durable.ts'

let place: string
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'kura-durable-'))
})
afterEach(() => rm(place, { recursive: true, force: true }))

describe('writeDurably', () => {
  test('writes many parts, more than one writev takes, in order', async () => {
    const parts = Array.from({ length: 2500 }, (_, i) => Buffer.from(i % 7 === 0 ? '' : `${i},`))
    const path = join(place, 'a')
    const written = await writeDurably(path, parts)
    expect(await readFile(path)).toEqual(Buffer.concat(parts))
    expect(written.sizeBytes).toBe(Buffer.concat(parts).length)
  })

  test('replaces a file, leaves no temporary file, and reports the time it has', async () => {
    const path = join(place, 'a')
    await writeDurably(path, [Buffer.from('old')])
    const written = await writeDurably(path, [Buffer.from('new')], { modifiedMs: 1683356889123, mode: 0o640 })
    expect(await readFile(path, 'utf8')).toBe('new')
    expect(await readdir(place)).toEqual(['a'])
    const info = await stat(path)
    expect(info.mtimeMs).toBeCloseTo(1683356889123, 0)
    expect(written.modifiedMs).toBe(info.mtimeMs)
    expect(info.mode & 0o777).toBe(0o640)
  })

  test('refuses to replace when exclusive, and keeps the old bytes', async () => {
    const path = join(place, 'a')
    await writeDurably(path, [Buffer.from('old')], { exclusive: true })
    await expect(writeDurably(path, [Buffer.from('new')], { exclusive: true })).rejects.toMatchObject({ code: 'EEXIST' })
    expect(await readFile(path, 'utf8')).toBe('old')
    expect(await readdir(place)).toEqual(['a'])
  })

  test('leaves nothing behind when the rename fails', async () => {
    await makeDirectoryBelow(place, join(place, 'd'), 0o700)
    await expect(writeDurably(join(place, 'd'), [Buffer.from('x')])).rejects.toMatchObject({ code: 'EISDIR' })
    expect(await readdir(place)).toEqual(['d'])
  })
})

describe('makeDirectoryBelow', () => {
  test('makes all missing folders with the mode, also when called at once', async () => {
    const deep = join(place, 'x', 'y', 'z')
    await Promise.all([makeDirectoryBelow(place, deep, 0o750), makeDirectoryBelow(place, deep, 0o750)])
    expect((await stat(deep)).mode & 0o777).toBe(0o750)
  })

  test('never makes the root', async () => {
    const gone = join(place, 'gone')
    await expect(makeDirectoryBelow(gone, join(gone, 'a', 'b'), 0o700)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readdir(place)).toEqual([])
  })
})
