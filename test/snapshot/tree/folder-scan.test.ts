import { chmodSync, linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { type FolderScan, type LeafTotals, ListedFolder, scanFolder } from '#snapshot/tree/folder-scan.ts'
import { type LocalEntry, placeholderSuffix, scanDirectory } from '#snapshot/tree/local-tree.ts'
import { entryFor } from '#snapshot/upload/leaf.ts'
import { SummaryBuilder } from '#snapshot/upload/summary.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { setTimeNs } from '../memory-repository.ts'

const scratch = scratchFolders()
const entriesOf = (scan: FolderScan) => Array.from({ length: scan.count }, (_, i) => scan.entry(i))
const names = fc.oneof(
  fc.stringMatching(/^[ -.0-~é€😀]{1,12}$/u),
  fc.constantFrom('a&b', 'x<y', 'quote"', 'back\\slash', 'line\nbreak', '\u2028', 'n.kopia-entry', '.kopia-entry', '\u007f'),
  fc.uint8Array({ minLength: 1, maxLength: 6 }).map((b) => Buffer.from(b)),
)

const modes = [0o644, 0o4755, 0, 0o1600, 0o2070]

/** A folder with one entry of some kind for each name that the system takes. */
function folderOf(wanted: readonly (string | Uint8Array)[], timeNs: bigint): Buffer {
  const folder = Buffer.from(scratch())
  for (const [i, name] of wanted.entries()) {
    const path = Buffer.concat([folder, Buffer.from('/'), Buffer.from(name as string)])
    try {
      if (i % 4 === 0) mkdirSync(path)
      else if (i % 4 === 1) symlinkSync('nowhere', path)
      else writeFileSync(path, 'x'.repeat(i))
      if (i % 4 === 2) chmodSync(path, modes[(i >> 2) % modes.length] as number)
      if (i % 4 === 3) truncateSync(path, 1234567 * 10 ** ((i >> 2) % 6))
      setTimeNs(path, timeNs + BigInt(i) * 100_000_000n)
    } catch {
      // '.', a zero byte, or one name twice.
    }
  }
  return folder
}

const totalsOf = (entries: readonly LocalEntry[]): LeafTotals => ({
  fileCount: entries.filter((e) => e.type === 'f').length,
  symlinkCount: entries.filter((e) => e.type === 's').length,
  totalBytes: entries.reduce((sum, e) => sum + (e.type === 'f' ? e.sizeBytes : 0), 0),
  maxTimeNs: entries.reduce<bigint | undefined>((max, e) => (max === undefined || e.modifiedNs > max ? e.modifiedNs : max), undefined),
})

const storedOf = (entries: readonly DirectoryEntry[]) => encodeDirectory(entries, new SummaryBuilder().build(0n, undefined))
const times = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })

describe('scanFolder', () => {
  it('gives the entries that an lstat of each gives, sorted by the bytes of their names', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(names, { maxLength: 12 }), times, async (wanted, timeNs) => {
        const folder = folderOf(wanted, timeNs)
        const twin = new ListedFolder(scanDirectory(folder))
        const scan = await scanFolder(folder, undefined)
        expect(entriesOf(scan)).toEqual(entriesOf(twin))
        for (const entry of entriesOf(twin)) expect(scan.named(entry.name)).toEqual(twin.named(entry.name))
        expect(scan.named('is not there')).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('rejects with the system error when the folder cannot be read', async () => {
    await expect(scanFolder(join(scratch(), 'missing'), undefined)).rejects.toMatchObject({ code: 'ENOENT' })
    const file = join(scratch(), 'file')
    writeFileSync(file, '')
    await expect(scanFolder(file, undefined)).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  it('counts links', async () => {
    const folder = scratch()
    writeFileSync(join(folder, 'a'), '')
    linkSync(join(folder, 'a'), join(folder, 'b'))
    expect(entriesOf(await scanFolder(folder, undefined)).map((e) => e.linkCount)).toEqual([2, 2])
  })
})

describe.skipIf(!nativeAddon())('matching with a stored directory (needs the addon)', () => {
  it('finds just those files and links whose stored JSON is what would be written now', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(names, { maxLength: 12 }),
        times,
        fc.array(fc.constantFrom('same', 'gone', 'size', 'time', 'mode', 'owner', 'type'), { minLength: 12, maxLength: 12 }),
        async (wanted, timeNs, changes) => {
          const folder = folderOf(wanted, timeNs)
          const live = entriesOf(new ListedFolder(scanDirectory(folder)))
          const changed: Record<string, Partial<DirectoryEntry>> = {
            size: { sizeBytes: 77 },
            time: { modifiedNs: 1n },
            mode: { mode: 0o111 },
            owner: { uid: 12_345 },
            type: { type: 'x' },
          }
          const unchanged = new Set<string>()
          const earlier = live.flatMap((e, i) => {
            const kind = changes[i] as string
            if (kind === 'gone' || e.isPlaceholder) return []
            if (kind === 'same' && (e.type === 'f' || e.type === 's')) unchanged.add(e.name)
            return [{ ...entryFor(e), ...changed[kind], objectId: `${i}abc` as ObjectId }]
          })
          const stored = storedOf(earlier)
          const { matches, count } = await scanFolder(folder, stored)
          for (let i = 0; matches && i < count; i++) {
            if (matches.end(i) === 0) continue
            const e = live[i] as (typeof live)[number]
            expect(unchanged.has(e.name)).toBe(true)
            const json = JSON.parse(stored.toString('utf8', matches.start(i), matches.end(i)))
            expect([json.name, json.obj]).toEqual([e.name, matches.objectId(i, stored)])
            expect([matches.name(i), matches.sizeBytes(i)]).toEqual([e.name, e.sizeBytes])
            expect([...matches.objectPlaces([i])]).toEqual([matches.end(i) - 2 - json.obj.length, matches.end(i) - 2])
          }
          const kept = live.filter((_, i) => (matches?.end(i) ?? 0) > 0)
          const flags = Uint8Array.from(live, (_, i) => ((matches?.end(i) ?? 0) > 0 ? 1 : 0))
          if (matches) expect(matches.totals(flags)).toEqual(totalsOf(kept))
          // Nothing odd about: everything that can match does.
          // A link of the very name of the suffix is no placeholder, but odd enough to be looked at with more care.
          const plain = (name: string) => /^[ !#-%'-;=?-[\]-~]+$/.test(name) && !name.endsWith(placeholderSuffix)
          const isPlain = earlier.every((e) => plain(e.name)) && live.every((e) => e.rawName === undefined)
          if (isPlain && timeNs > 0n && unchanged.size > 0) expect(matches?.count).toBe(unchanged.size)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('finds nothing in what is cut short, doubled, out of order, or otherwise not as writers make it', async () => {
    const folder = scratch()
    for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, name), name)
    mkdirSync(join(folder, 'sub'))
    const live = entriesOf(new ListedFolder(scanDirectory(folder)))
    const stored = storedOf(live.map((e) => ({ ...entryFor(e), objectId: 'abc' as ObjectId }))).toString()
    const found = async (text: string) => (await scanFolder(folder, Buffer.from(text))).matches?.count ?? 0
    expect(await found(stored)).toBe(3)
    for (let length = 0; length < stored.length; length++) expect(await found(stored.slice(0, length))).toBe(0)
    const [a, b] = [...stored.matchAll(/\{"name":"[ab]"[^}]*\}/g)].map((m) => m[0]) as [string, string]
    expect(await found(stored.replace(a, `${a},${a}`))).toBe(0)
    expect(await found(stored.replace(`${a},${b}`, `${b},${a}`))).toBe(0)
    expect(await found(stored.replace(a, a.replace('"a"', '"\\u0061"')))).toBe(0)
    expect(await found(stored.replace('"summary"', '"entries":[],"summary"'))).toBe(0)
    expect(await found(`${stored}{}`)).toBe(0)
    expect(await found(stored.replace(a, a.replace('}', ',"x":1}')))).toBe(2)
  })

  it('survives any change of a byte', async () => {
    const folder = scratch()
    for (const name of ['a', 'b']) writeFileSync(join(folder, name), name)
    const live = entriesOf(new ListedFolder(scanDirectory(folder)))
    const stored = storedOf(live.map((e) => ({ ...entryFor(e), objectId: 'abc' as ObjectId })))
    await fc.assert(
      fc.asyncProperty(fc.nat(stored.length - 1), fc.constantFrom(...Buffer.from('{}[]",\\:\0az')), async (at, byte) => {
        const broken = Buffer.from(stored)
        broken[at] = byte
        const { matches, count } = await scanFolder(folder, broken)
        for (let i = 0; matches && i < count; i++) expect(matches.end(i)).toBeLessThanOrEqual(broken.length)
      }),
      { numRuns: 300 },
    )
  })
})
