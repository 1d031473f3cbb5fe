import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseTimeNs } from '#base/time.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectorySummary } from '#snapshot/model/directory-entry.ts'
import { decodeDirectory, encodeDirectory, sortEntries } from '#snapshot/model/directory-json.ts'
import type { NewDirectoryEntry } from '#snapshot/model/entry-json.ts'
import { DirectoryFormatError } from '#snapshot/model/errors.ts'
import { formatGoMode, parseGoMode } from '#snapshot/model/go-mode.ts'
import { fastTimeNs } from '#snapshot/model/time-text.ts'
import { sharedPath } from '../../support/shared.ts'

interface VectorEntry {
  nameHex: string
  unixMode: string
  mtimeNs: string
  uid: number
  gid: number
  size: number
  obj: string
}
const vectors = JSON.parse(readFileSync(sharedPath('spec/vectors/directories.json'), 'utf8')) as {
  directories: { path: string; mtimeNs: string; object: string; entries: VectorEntry[]; stream: string }[]
}

function typeOf(unixMode: number): string {
  const format = unixMode & 0o170000
  return format === 0o100000 ? 'f' : format === 0o040000 ? 'd' : format === 0o120000 ? 's' : '?'
}
const summary: DirectorySummary = {
  totalBytes: 0,
  fileCount: 0,
  symlinkCount: 0,
  directoryCount: 1,
  maxTimeNs: 0n,
  fatalErrorCount: 0,
  ignoredErrorCount: 0,
  errors: [],
}
const file = (name: string): NewDirectoryEntry => ({
  name,
  type: 'f',
  mode: 0o644,
  sizeBytes: 1,
  modifiedNs: 5n,
  uid: 0,
  gid: 0,
  objectId: 'ab' as ObjectId,
})

describe('directory objects written by Kopia', () => {
  for (const d of vectors.directories) {
    it(`${d.path} is encoded byte for byte from what lstat said, in any order`, () => {
      const decoded = decodeDirectory(Buffer.from(d.stream))
      const summaries = new Map(decoded.entries.map((e) => [e.name, e.summary]))
      const entries = d.entries.map((v): NewDirectoryEntry => {
        const rawName = Buffer.from(v.nameHex, 'hex')
        const mode = Number.parseInt(v.unixMode, 8)
        const summ = typeOf(mode) === 'd' ? summaries.get(rawName.toString()) : undefined
        return {
          name: '',
          rawName,
          type: typeOf(mode),
          mode: mode & 0o7777,
          sizeBytes: typeOf(mode) === 'd' ? 0 : v.size,
          modifiedNs: BigInt(v.mtimeNs),
          uid: v.uid,
          gid: v.gid,
          objectId: v.obj as ObjectId,
          ...(summ ? { summary: summ } : {}),
        }
      })
      expect(encodeDirectory(entries.toReversed(), decoded.summary as DirectorySummary).toString()).toBe(d.stream)
    })
    it(`${d.path} survives decoding and encoding when its names are UTF-8`, () => {
      if (d.stream.includes('\\ufffd')) return
      const { entries, summary: s } = decodeDirectory(Buffer.from(d.stream))
      expect(encodeDirectory(entries, s as DirectorySummary).toString()).toBe(d.stream)
    })
  }

  it('the streams in the facts of the fixtures survive decoding and encoding', () => {
    const facts = JSON.parse(gunzipSync(readFileSync(sharedPath('fixtures/default.json.gz'))).toString()) as {
      directoryObjects: Record<string, { stream?: string }>
    }
    let checked = 0
    for (const { stream } of Object.values(facts.directoryObjects)) {
      if (stream === undefined || stream.includes('\\ufffd')) continue
      const { entries, summary: s } = decodeDirectory(Buffer.from(stream))
      expect(encodeDirectory(entries, s as DirectorySummary).toString()).toBe(stream)
      checked++
    }
    expect(checked).toBeGreaterThan(5)
  })
})

describe('decodeDirectory', () => {
  const decode = (text: string) => decodeDirectory(Buffer.from(text))
  it('refuses another stream type, broken JSON and wrong types', () => {
    for (const bad of [
      '{"stream":"kopia:indirect","entries":null}',
      '{}',
      'null',
      '',
      '{"stream":"kopia:directory","entries":5}',
      '{"stream":"kopia:directory","entries":[5]}',
      '{"stream":"kopia:directory","entries":[{"name":1,"obj":""}]}',
      '{"stream":"kopia:directory","entries":[{"name":"a","type":"f","obj":"","size":1.5}]}',
      '{"stream":"kopia:directory","entries":[{"name":"a","type":"f","obj":"","uid":4294967296}]}',
      '{"stream":"kopia:directory","entries":[{"name":"a","type":"f","obj":"","mode":"9x"}]}',
      '{"stream":"kopia:directory","entries":[{"name":"a","type":"f","obj":"","mtime":"yesterday"}]}',
      '{"stream":"kopia:directory","entries":[{"name":"a","type":"f","obj":""}',
      '{"stream":"kopia:directory"} '.repeat(1).slice(0, -3),
    ])
      expect(() => decode(bad), bad).toThrow(DirectoryFormatError)
  })
  it('takes the last entry of a name, ignores unknown members and what follows, and folds the case of keys', () => {
    const { entries } = decode(
      '{"Stream":"kopia:directory","x":{},"entries":[{"name":"a","type":"f","obj":"01"},{"NAME":"b","type":"f","obj":"02"},{"name":"a","type":"f","obj":"03"}]}\n{"more":1}',
    )
    expect(entries.map((e) => [e.name, e.objectId])).toEqual([
      ['b', '02'],
      ['a', '03'],
    ])
  })
  it('reads times with an offset and any Go number as mode', () => {
    const { entries } = decode(
      '{"stream":"kopia:directory","entries":[{"name":"a","type":"f","obj":"","mode":"0x1ff","mtime":"2024-01-02T03:04:05.5+01:00"}]}',
    )
    expect(entries[0]).toMatchObject({ mode: 0o777, modifiedNs: parseTimeNs('2024-01-02T02:04:05.5Z') })
  })
  it('takes __proto__ for a name like any other', () => {
    const { entries } = decode('{"stream":"kopia:directory","entries":[{"name":"__proto__","type":"f","obj":""}]}')
    expect(entries[0]?.name).toBe('__proto__')
  })
})

describe('properties', () => {
  it('sortEntries orders by UTF-8 bytes, directories first', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.boolean())), (names) => {
        const sorted = sortEntries(names.map(([n, d]) => ({ ...file(n), type: d ? 'd' : 'f' })))
        for (let i = 1; i < sorted.length; i++) {
          const [a, b] = [sorted[i - 1] as NewDirectoryEntry, sorted[i] as NewDirectoryEntry]
          if (a.type === b.type) expect(Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))).toBeLessThanOrEqual(0)
          else expect(a.type).toBe('d')
        }
      }),
    )
  })
  it('any entries survive encoding and decoding', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ unit: 'binary' }), { maxLength: 20 }),
        fc.bigInt(-(2n ** 62n), 2n ** 62n),
        fc.integer({ min: 0, max: 0o7777 }),
        (names, modifiedNs, mode) => {
          const entries = sortEntries(names.map((n) => ({ ...file(n), modifiedNs, mode })))
          expect(decodeDirectory(encodeDirectory(entries, summary))).toEqual({ entries, summary })
        },
      ),
    )
  })
  it('Go modes survive, and fastTimeNs agrees with parseTimeNs', () => {
    for (let mode = 1; mode < 0o10000; mode++) expect(parseGoMode(formatGoMode(mode))).toBe(mode)
    fc.assert(
      fc.property(fc.date({ min: new Date('1700-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }), fc.nat(999999999), (d, n) => {
        for (const t of [d.toISOString(), `${d.toISOString().slice(0, 19)}.${n}Z`, `${d.toISOString().slice(0, 19)}Z`])
          expect(fastTimeNs(t)).toBe(parseTimeNs(t))
      }),
    )
  })
})
