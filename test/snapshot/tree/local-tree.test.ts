import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  childPath,
  IgnoreFileError,
  isCacheDirectory,
  type LocalEntry,
  readIgnoreFile,
  scanDirectory,
  statLocal,
} from '#snapshot/tree/local-tree.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kura-local-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))
const byName = () => new Map(scanDirectory(dir).map((e) => [e.name, e]))

describe('scanDirectory', () => {
  it('tells types, sizes, modes, link counts and times to the nanosecond', () => {
    writeFileSync(join(dir, 'f'), 'hello', { mode: 0o640 })
    mkdirSync(join(dir, 'd'))
    symlinkSync('nowhere', join(dir, 's'))
    linkSync(join(dir, 'f'), join(dir, 'g'))
    execFileSync('touch', ['-d', '2024-01-02T03:04:05.123456789Z', join(dir, 'f')])
    execFileSync('mkfifo', [join(dir, 'p')])
    const entries = byName()
    expect(entries.get('f')).toMatchObject({ type: 'f', sizeBytes: 5, mode: 0o640, modifiedNs: 1704164645123456789n, linkCount: 2 })
    expect(entries.get('g')?.inode).toBe(entries.get('f')?.inode)
    expect(entries.get('d')).toMatchObject({ type: 'd', sizeBytes: 0 })
    expect(entries.get('s')).toMatchObject({ type: 's', sizeBytes: 7 })
    expect(entries.get('p')).toMatchObject({ type: '' })
    expect(statLocal(join(dir, 'f'), 'x')).toMatchObject({ name: 'x', sizeBytes: 5, device: entries.get('f')?.device })
  })
  it('opens what it lists, whatever bytes the names have', () => {
    const raw = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0x61, 0xff, 0xe2, 0x82])])
    mkdirSync(raw)
    writeFileSync(Buffer.concat([raw, Buffer.from('/ä')]), 'inside')
    const outer = scanDirectory(dir)[0] as LocalEntry
    expect(outer.rawName).toEqual(Buffer.from([0x61, 0xff, 0xe2, 0x82]))
    expect(outer.name.toWellFormed()).toBe('a\ufffd\ufffd\ufffd')
    const path = childPath(dir, outer)
    const inner = scanDirectory(path)[0] as LocalEntry
    expect(inner).toMatchObject({ name: 'ä', rawName: undefined })
    expect(readFileSync(childPath(path, inner), 'utf8')).toBe('inside')
  })
  it('takes the suffix off placeholders', () => {
    writeFileSync(join(dir, 'f.kopia-entry'), '{}')
    mkdirSync(join(dir, 'd.kopia-entry'))
    symlinkSync('x', join(dir, 's.kopia-entry'))
    const entries = byName()
    expect(entries.get('f')).toMatchObject({ isPlaceholder: true, type: 'f' })
    expect(entries.get('d')).toMatchObject({ isPlaceholder: true, type: 'd' })
    expect(entries.get('s.kopia-entry')).toMatchObject({ isPlaceholder: false, type: '' })
    expect(childPath(dir, entries.get('f') as LocalEntry)).toBe(join(dir, 'f.kopia-entry'))
  })
  it('a missing directory is an error', () => expect(() => scanDirectory(join(dir, 'no'))).toThrow(/ENOENT/))
  it('lists the root directory', () =>
    expect(
      scanDirectory('/')
        .map((e) => e.name)
        .sort(),
    ).toEqual(readdirSync('/').sort()))
})

describe('cache directories and ignore files', () => {
  it('a tag counts only as a regular file with the signature', () => {
    const signature = 'Signature: 8a477f597d28d172789f06886806bc55'
    const check = () => isCacheDirectory(dir, scanDirectory(dir))
    expect(check()).toBe(false)
    writeFileSync(join(dir, 'CACHEDIR.TAG'), signature)
    expect(check()).toBe(true)
    writeFileSync(join(dir, 'CACHEDIR.TAG'), signature.toUpperCase())
    expect(check()).toBe(false)
    writeFileSync(join(dir, 'CACHEDIR.TAG'), signature.slice(0, -1))
    expect(check()).toBe(false)
  })
  it('an ignore file may be a link to a regular file, and to nothing else', () => {
    const read = (name: string) => readIgnoreFile(dir, scanDirectory(dir), name)
    writeFileSync(join(dir, 'a'), '*.o\n')
    symlinkSync('a', join(dir, 'b'))
    symlinkSync('missing', join(dir, 'c'))
    symlinkSync('.', join(dir, 'd'))
    mkdirSync(join(dir, 'e'))
    utimesSync(join(dir, 'a'), 1, 1)
    expect([read('a'), read('b'), read('e'), read('none'), read('../x')]).toEqual(['*.o\n', '*.o\n', undefined, undefined, undefined])
    expect(() => read('c')).toThrow(IgnoreFileError)
    expect(() => read('d')).toThrow(IgnoreFileError)
  })
})
