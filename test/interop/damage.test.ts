import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { KuraError } from '#base/errors.ts'
import { allIds } from '#repo/content/content-info.ts'
import { ContentNotFoundError, CorruptContentError } from '#repo/content/errors.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import { fixtureFacts, unpackFixture } from '../support/fixtures.ts'
import { openFolder } from '../support/open-fixture.ts'

interface Operation {
  readonly op: 'xor' | 'truncate' | 'delete' | 'append' | 'write'
  readonly file: string
  readonly offset?: number
  readonly byte?: number
  readonly length?: number
  readonly base64?: string
}

interface Outcome {
  readonly args: readonly string[]
  readonly exit: number
  readonly stdout?: { readonly text?: string }
  readonly stderr?: { readonly text?: string; readonly end?: string }
  readonly stdoutBytes?: number
  readonly stdoutSha256?: string
}

interface DamageCase {
  readonly repository: string
  readonly name: string
  readonly operations: readonly Operation[]
  readonly results: readonly Outcome[]
}

const { cases } = fixtureFacts<{ readonly cases: readonly DamageCase[] }>('damage')
const titled = cases.map((c) => ({ ...c, title: `${c.repository}, ${c.name}` }))
const password = 'fixture-password'

/** As facts have it, when nothing is damaged. */
const undamaged = new Map(
  ['default', 'ecc-2', 'ecc-10'].map((name) => [name, fixtureFacts<{ readonly contents: readonly { contentID: string }[] }>(name)]),
)

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function damagedCopy(c: DamageCase): string {
  const { path, remove } = unpackFixture(c.repository)
  cleanups.push(remove)
  for (const o of c.operations) damage(join(path, o.file), o)
  return path
}

function damage(file: string, o: Operation): void {
  if (o.op === 'delete') rmSync(file)
  else if (o.op === 'truncate') truncateSync(file, o.length)
  else if (o.op === 'append') appendFileSync(file, Buffer.from(o.base64 ?? '', 'base64'))
  else if (o.op === 'write') {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, Buffer.from(o.base64 ?? '', 'base64'))
  } else {
    const bytes = readFileSync(file)
    const offset = o.offset ?? 0
    bytes[offset] = (bytes[offset] as number) ^ (o.byte ?? 0)
    writeFileSync(file, bytes)
  }
}

async function open(path: string, warnings: string[]): Promise<DirectRepository> {
  const repository = await openFolder(path, password, { warn: (text) => warnings.push(text) })
  cleanups.push(() => repository.close())
  return repository
}

/** IDs of the contents that cannot be read. */
async function unreadable(repository: DirectRepository): Promise<string[]> {
  const bad: string[] = []
  for (const { id, deleted } of repository.contents.iterate(allIds, false)) {
    if (deleted) continue
    await repository.contents.get(id).catch(() => bad.push(id))
  }
  return bad
}

const outcome = (c: DamageCase, ...words: string[]) => c.results.filter((r) => words.every((w, i) => r.args[i] === w))
const connected = (c: DamageCase) => outcome(c, 'repository', 'connect')[0]?.exit === 0

describe('where Kopia gets through, we get the same', () => {
  test.each(titled.filter(connected))('$title', async (c) => {
    const warnings: string[] = []
    const repository = await open(damagedCopy(c), warnings)
    expect(warnings.filter((w) => /index/.test(w))).toEqual([])
    for (const show of outcome(c, 'show')) {
      const read = repository.objects.readAll(show.args[1] as ObjectId)
      if (show.exit === 0) {
        const bytes = await read
        const seen = { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
        expect(seen).toEqual({ bytes: show.stdoutBytes, sha256: show.stdoutSha256 })
      } else await expect(read).rejects.toThrow(KuraError)
    }
    const list = outcome(c, 'snapshot', 'list')[0]
    if (list?.exit === 0) {
      const ids = [...(list.stdout?.text ?? '').matchAll(/manifest:([0-9a-f]{32})/g)].map((m) => m[1])
      expect((await listSnapshots(repository)).map((s) => s.id).sort()).toEqual(ids.sort())
    } else await expect(listSnapshots(repository)).rejects.toThrow(KuraError)
    const verify = outcome(c, 'content', 'verify', '--full')[0]
    const bad = await unreadable(repository)
    const text = verify?.stderr?.text ?? verify?.stderr?.end ?? ''
    expect(bad.length).toBe(Number(/encountered (\d+) errors/.exec(text)?.[1] ?? 0))
    for (const [, id] of text.matchAll(/^content ([0-9a-z]+) is invalid/gm)) expect(bad).toContain(id)
  })
})

describe('a damaged index blob costs what is in it and nothing else', () => {
  const indexCases = titled.filter((c) => !connected(c) && c.operations.every((o) => o.file.startsWith('x/')))

  test('there are such cases', () => expect(indexCases.length).toBe(5))

  test.each(indexCases)('$title', async (c) => {
    const warnings: string[] = []
    const repository = await open(damagedCopy(c), warnings)
    const blob = c.operations[0]?.file.replace(/\//g, '').replace(/\.f$/, '') ?? ''
    expect(warnings.join('\n')).toContain(blob)
    expect(warnings.join('\n')).not.toContain('\n    at ')
    expect(await unreadable(repository)).toEqual([])
    const known = [...repository.contents.iterate(allIds, true)].length
    const all = undamaged.get(c.repository)?.contents.length ?? 0
    if (c.name.startsWith('stray')) expect(known).toBe(all)
    else expect(known).toBeLessThan(all)
  })
})

describe('central blobs that cannot be used', () => {
  const central = titled.filter((c) => !connected(c) && c.operations.some((o) => o.file.startsWith('kopia.')))

  test('there are such cases', () => expect(central.length).toBe(6))

  test.each(central)('$title: one clear line', async (c) => {
    const error = await open(damagedCopy(c), []).then(
      () => undefined,
      (e: unknown) => e,
    )
    expect(error).toBeInstanceOf(KuraError)
    const { message } = error as KuraError
    expect(message).not.toContain('\n')
    expect(message.length).toBeLessThan(300)
    const blob = c.operations[0]?.file.replace(/\.f$/, '') ?? ''
    // Changed ciphertext of the format blob cannot be told from a wrong password.
    if (!c.name.includes('encrypted part') && !c.name.includes('missing')) expect(message).toContain(blob)
  })
})

test('errors of damaged contents say which content and where it lies', async () => {
  const flipped = cases.find((c) => c.name === 'data content: one bit flipped')
  const missing = cases.find((c) => c.name === 'all index blobs missing')
  if (!flipped || !missing) throw new Error('a case is missing')
  const repository = await open(damagedCopy(flipped), [])
  const read = repository.objects.readAll('c8acf2239496991f32e6c45c055b9b61' as ObjectId)
  await expect(read).rejects.toThrow(/c8acf2239496991f32e6c45c055b9b61.*p72d2329b450c85e9c55c9e188dec4244-sbbb6c07840f3228a147/)
  await expect(repository.contents.get('c8acf2239496991f32e6c45c055b9b61' as never)).rejects.toThrow(CorruptContentError)
  const empty = await open(damagedCopy(missing), [])
  await expect(empty.contents.get('c8acf2239496991f32e6c45c055b9b61' as never)).rejects.toThrow(ContentNotFoundError)
})
