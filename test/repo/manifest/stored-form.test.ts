import { readFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeEntries, encodeEntries, type ManifestEntry, parseEntries } from '#repo/manifest/stored-form.ts'
import { sharedPath } from '../../support/shared.ts'

interface Vectors {
  readonly contents: readonly { readonly content: string; readonly plain: string; readonly json: string }[]
}
const vectors = JSON.parse(readFileSync(sharedPath('spec/vectors/manifests.json'), 'utf8')) as Vectors

interface Raw {
  readonly id: string
  readonly labels: Record<string, string> | null
  readonly modified: string
  readonly deleted?: boolean
  readonly data: unknown
}

describe('manifest contents of Kopia', () => {
  for (const { content, plain, json } of vectors.contents)
    it(`${content} is read, and written with the same JSON`, async () => {
      const entries = await decodeEntries(Buffer.from(plain, 'base64'))
      const raw = (JSON.parse(json) as { entries: Raw[] }).entries
      expect(entries.map((e) => e.id)).toEqual(raw.map((r) => r.id))
      expect(entries.map((e) => e.labels)).toEqual(raw.map((r) => r.labels ?? {}))
      expect(entries.map((e) => e.deleted)).toEqual(raw.map((r) => r.deleted ?? false))
      expect(entries.map((e) => JSON.parse(e.json) as unknown)).toEqual(raw.map((r) => r.data))
      expect(
        gunzipSync(await encodeEntries(entries))
          .toString()
          .trim(),
      ).toBe(json.trim())
    })
})

const entry = (json: string) => `{"entries":[{"id":"a","labels":{"type":"t"},"modified":"2024-01-02T03:04:05Z","data":${json}}]}`

describe('reading', () => {
  it('keeps the payload as it is, brackets and escapes in strings included', () => {
    for (const json of ['{"a":"]}\\"","b":[{"c":"\\\\"}]}', '"\\\\\\""', '12345678901234567890', 'null', '[ ]', '{"x":"{["}'])
      expect(parseEntries(entry(json))[0]?.json).toBe(json)
  })

  it('takes keys in any case, ignores what follows, tolerates other texts', () => {
    const odd =
      '{"note":"x","Entries":[{"ID":"a","Labels":null,"Modified":"2024-01-02T03:04:05.5+01:00","Deleted":true,"more":[1]}]} and more'
    expect(parseEntries(odd)).toEqual([{ id: 'a', labels: {}, modifiedNs: 1704161045500000000n, deleted: true, json: 'null' }])
  })

  it.each([
    ['no object', '[]'],
    ['a null list', '{"entries":null}'],
    ['the list twice', '{"entries":[],"ENTRIES":[]}'],
    ['another key that is not a text', '{"entries":[],"version":1}'],
    ['a cut text', '{"entries":[{"id":"a"'],
    ['an open string', '{"entries":[{"id":"a'],
    ['a missing colon', '{"entries"[]}'],
    ['labels that are numbers', '{"entries":[{"id":"a","labels":{"type":1},"modified":"2024-01-02T03:04:05Z"}]}'],
    ['a wrong time', '{"entries":[{"id":"a","modified":"yesterday"}]}'],
    ['a wrong marker', '{"entries":[{"id":"a","deleted":1}]}'],
    ['nothing', ''],
  ])('refuses %s', async (_, text) => {
    await expect(decodeEntries(gzipSync(text))).rejects.toThrow()
  })

  it('ends with an error or entries for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.string(), async (bytes, text) => {
        for (const input of [bytes, gzipSync(text), gzipSync(entry(text))])
          await decodeEntries(input).then(
            (list) => expect(Array.isArray(list)).toBe(true),
            (error: unknown) => expect(error).toBeInstanceOf(Error),
          )
      }),
      { numRuns: 100 },
    )
  })
})

describe('writing', () => {
  it('gives back every entry', async () => {
    const anyEntry = fc.record({
      id: fc.string(),
      labels: fc.dictionary(fc.string(), fc.string()),
      modifiedNs: fc.bigInt(0n, 2n ** 62n),
      json: fc.json(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(anyEntry, { maxLength: 5 }), async (list) => {
        const entries: ManifestEntry[] = list.map((e) => ({ ...e, labels: { ...e.labels }, deleted: false }))
        expect(await decodeEntries(await encodeEntries(entries))).toEqual(entries)
      }),
      { numRuns: 100 },
    )
  })

  it('sorts labels, and writes markers without labels and data', async () => {
    const modifiedNs = 1704164645700000000n
    const text = gunzipSync(
      await encodeEntries([
        { id: 'a', labels: { type: 'p', a: '<' }, modifiedNs, deleted: false, json: '{"x":1}' },
        { id: 'b', labels: { type: 'p' }, modifiedNs, deleted: true, json: 'null' },
      ]),
    )
    expect(text.toString()).toBe(
      '{"entries":[{"id":"a","labels":{"a":"\\u003c","type":"p"},"modified":"2024-01-02T03:04:05.7Z","data":{"x":1}},' +
        '{"id":"b","labels":null,"modified":"2024-01-02T03:04:05.7Z","deleted":true,"data":null}]}\n',
    )
  })
})
