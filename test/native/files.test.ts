import { spawnSync } from 'node:child_process'
import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scratchFolders } from '../support/scratch.ts'
import { describeAddon } from './addon.ts'

const scratch = scratchFolders()
const wrong = (value: unknown) => value as Uint8Array
const badPaths = [Buffer.alloc(0), Buffer.from('/tmp\0/x'), Buffer.alloc(4097, 'a')]

describeAddon('setTimes', (addon) => {
  it('sets both times to the nanosecond, of files, folders and links themselves', () => {
    const folder = scratch()
    const paths = ['file', 'dir', 'link', 'dangling'].map((n) => join(folder, n)) as [string, string, string, string]
    writeFileSync(paths[0], '')
    mkdirSync(paths[1])
    symlinkSync('file', paths[2])
    symlinkSync('nowhere', paths[3])
    fc.assert(
      fc.property(
        fc.constantFrom(...paths),
        fc.integer({ min: -2_000_000_000, max: 4_000_000_000 }),
        fc.nat(999_999_999),
        (path, s, ns) => {
          addon.setTimes(Buffer.from(path), s, ns)
          const stats = lstatSync(path, { bigint: true })
          expect([stats.mtimeNs, stats.atimeNs]).toEqual(Array(2).fill(BigInt(s) * 1_000_000_000n + BigInt(ns)))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('takes names that are not UTF-8', () => {
    const path = Buffer.concat([Buffer.from(`${scratch()}/`), Buffer.from([0xff, 0x80])])
    writeFileSync(path, '')
    addon.setTimes(path, 7, 8)
    expect(lstatSync(path, { bigint: true }).mtimeNs).toBe(7_000_000_008n)
  })

  it('throws system errors with their code, and refuses wrong arguments', () => {
    const folder = scratch()
    const missing = Buffer.from(join(folder, 'missing'))
    expect(() => addon.setTimes(missing, 0, 0)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    writeFileSync(join(folder, 'file'), '')
    expect(() => addon.setTimes(Buffer.from(join(folder, 'file/x')), 0, 0)).toThrow(expect.objectContaining({ code: 'ENOTDIR' }))
    const path = Buffer.from(folder)
    for (const ns of [-1, 1_000_000_000, 'x', undefined]) expect(() => addon.setTimes(path, 0, ns as number)).toThrow(TypeError)
    for (const bad of [undefined, 'text', 7, {}]) expect(() => addon.setTimes(wrong(bad), 0, 0)).toThrow(TypeError)
    for (const bad of badPaths) expect(() => addon.setTimes(bad, 0, 0)).toThrow(RangeError)
    expect(() => (addon.setTimes as (...a: unknown[]) => void)()).toThrow(TypeError)
  })
})

/** Sets extended attributes; false when there is no tool for it, or the file system has none. */
function setAttributes(path: string, ...names: readonly string[]): boolean {
  const script = 'import os,sys\nfor name in sys.argv[2:]: os.setxattr(sys.argv[1], name, b"x", follow_symlinks=False)'
  return spawnSync('python3', ['-c', script, path, ...names]).status === 0
}

describeAddon('xattrNames', (addon) => {
  it('gives no names for what has none, links not followed', () => {
    const folder = scratch()
    writeFileSync(join(folder, 'file'), '')
    symlinkSync('nowhere', join(folder, 'dangling'))
    for (const name of ['file', 'dangling', '.']) expect(addon.xattrNames(Buffer.from(join(folder, name)))).toEqual([])
    expect(addon.xattrNames(Buffer.from('/proc/self/status'))).toEqual([])
  })

  const probe = join(scratch(), 'probe')
  writeFileSync(probe, '')
  const works = setAttributes(probe, 'user.probe')
  describe.skipIf(!works)(`on a file system with attributes${works ? '' : ' (none here, or no tool to set them)'}`, () => {
    it('gives every name, also when they need more room than a first guess', () => {
      const path = join(scratch(), 'many')
      writeFileSync(path, '')
      const names = Array.from({ length: 30 }, (_, i) => `user.${'n'.repeat(60)}${i}`)
      expect(setAttributes(path, ...names)).toBe(true)
      expect([...addon.xattrNames(Buffer.from(path))].sort()).toEqual([...names].sort())
    })
  })

  it('throws system errors with their code, and refuses wrong arguments', () => {
    expect(() => addon.xattrNames(Buffer.from(join(scratch(), 'missing')))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    for (const bad of [undefined, 'text', 7, {}]) expect(() => addon.xattrNames(wrong(bad))).toThrow(TypeError)
    for (const bad of badPaths) expect(() => addon.xattrNames(bad)).toThrow(RangeError)
    expect(() => (addon.xattrNames as (...a: unknown[]) => void)()).toThrow(TypeError)
  })
})
