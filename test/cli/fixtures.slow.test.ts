import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { type FixtureFacts, fixtureFacts, unpackFixture } from '../support/fixtures.ts'
import { scratchFolders } from '../support/scratch.ts'
import { CapturedIo } from './captured-io.ts'

/** Texts that Kopia printed for a fixture; the README of the fixtures says by which commands. */
interface Texts extends FixtureFacts {
  readonly statusText?: string
  readonly snapshotListText?: string
  readonly snapshots?: readonly { readonly id: string; readonly rootEntry?: { readonly obj: string } }[]
  readonly policyShowText?: Readonly<Record<string, string>>
  readonly effectivePolicies?: Readonly<Record<string, unknown>>
  readonly policies?: readonly unknown[]
  readonly policyExport?: unknown
  readonly manifests?: readonly unknown[]
  readonly manifestBodies?: Readonly<Record<string, string>>
  readonly contents?: readonly unknown[]
  readonly contentListText?: string
  readonly contentStatsText?: string
  readonly indexes?: readonly unknown[]
  readonly indexesSuperseded?: readonly unknown[]
  readonly indexInspectText?: string
  readonly indexEpochText?: string
  readonly blobs?: readonly unknown[]
  readonly blobStatsText?: string
  readonly listings?: Readonly<Record<string, string>>
}

const names = [
  'compressors',
  'content-rewritten',
  'deleted-snapshots',
  'ecc-10',
  'epochs',
  'errors',
  'format-v1',
  'format-v1-index-v2',
  'fresh',
  'history',
  'incomplete',
  'incomplete-checkpoint',
  'index-v0-compaction',
  'many-manifests',
  'parallel-upload',
  'password-odd',
  'retention',
  'shards-custom',
  'sources',
  'stdin',
  'undeleted',
  'upgraded-v1-to-v3',
]

const scratch = scratchFolders()
const byId = (list: unknown) => [...(list as { id: string }[])].sort((a, b) => (a.id < b.id ? -1 : 1))
const sortedLines = (text: string): string[] => text.split('\n').sort()

describe.each(names)('fixture %s', (name) => {
  const facts = fixtureFacts<Texts>(name)
  let repository: ReturnType<typeof unpackFixture>
  let env: Record<string, string>

  async function out(...words: string[]): Promise<string> {
    const io = new CapturedIo()
    const status = await runLine(['--disable-file-logging', ...words], { io, env })
    expect(status === 0 ? '' : io.errors, words.join(' ')).toBe('')
    return io.output
  }
  const json = async (...words: string[]): Promise<unknown> => JSON.parse(await out(...words, '--json'))

  beforeAll(async () => {
    repository = unpackFixture(name)
    const home = scratch()
    mkdirSync(join(home, 'config'))
    env = { KOPIA_CONFIG_PATH: join(home, 'config', 'repository.config'), KOPIA_PASSWORD: facts.password, TZ: 'UTC' }
    const client = ['--override-username=alice', '--override-hostname=laptop', '--readonly', `--cache-directory=${join(home, 'cache')}`]
    await out('repository', 'connect', 'filesystem', `--path=${repository.path}`, ...client)
  })
  afterAll(() => repository?.remove())

  test.skipIf(facts.statusText === undefined)('repository status', async () => {
    const variable = (text: string) =>
      text
        .replace(/^(Config file|Description|Storage (?:capacity|available)):.*$/gm, '$1')
        .replace(/"path": ".*"/, '"path"')
        .trimEnd()
    expect(variable(await out('repository', 'status'))).toBe(variable(facts.statusText as string))
  })

  test.skipIf(facts.snapshotListText === undefined)('snapshot list', async () => {
    const flags = ['--all', '--incomplete', '--show-identical', '--manifest-id', '--owner', '--mtime']
    expect(await out('snapshot', 'list', ...flags)).toBe(facts.snapshotListText)
    expect(await json('snapshot', 'list')).toEqual(facts.snapshots)
  })

  test('policies', async () => {
    for (const [target, text] of Object.entries(facts.policyShowText ?? {})) expect(await out('policy', 'show', target)).toBe(text)
    for (const [target, policy] of Object.entries(facts.effectivePolicies ?? {}))
      expect(await json('policy', 'show', target)).toEqual(policy)
    if (facts.policies) expect(await json('policy', 'list')).toEqual(facts.policies)
    if (facts.policyExport) expect(JSON.parse(await out('policy', 'export'))).toEqual(facts.policyExport)
  })

  test('manifests', async () => {
    if (facts.manifests) expect(await json('manifest', 'list')).toEqual(facts.manifests)
    for (const [id, text] of Object.entries(facts.manifestBodies ?? {}))
      expect(sortedLines(await out('manifest', 'show', id)), id).toEqual(sortedLines(text))
  })

  test('contents', async () => {
    if (facts.contents) expect(await json('content', 'list', '--deleted')).toEqual(facts.contents)
    if (facts.contentListText !== undefined) expect(await out('content', 'list', '--long', '--deleted')).toBe(facts.contentListText)
    if (facts.contentStatsText !== undefined)
      expect(sortedLines(await out('content', 'stats'))).toEqual(sortedLines(facts.contentStatsText))
  })

  test('indexes', async () => {
    if (facts.indexes) expect(byId(await json('index', 'list'))).toEqual(byId(facts.indexes))
    if (facts.indexesSuperseded) expect(byId(await json('index', 'list', '--superseded'))).toEqual(byId(facts.indexesSuperseded))
    if (facts.indexInspectText !== undefined)
      expect(sortedLines(await out('index', 'inspect', '--all'))).toEqual(sortedLines(facts.indexInspectText))
    if (facts.indexEpochText) expect(await out('index', 'epoch', 'list')).toBe(facts.indexEpochText)
  })

  test('blobs', async () => {
    if (facts.blobs) expect(byId(await json('blob', 'list'))).toEqual(byId(facts.blobs))
    if (facts.blobStatsText !== undefined) expect(await out('blob', 'stats')).toBe(facts.blobStatsText)
  })

  test('listings', async () => {
    for (const { id, rootEntry } of facts.snapshots ?? []) {
      const text = facts.listings?.[id]
      if (!text || !rootEntry?.obj.startsWith('k')) continue
      expect(sortedLines(await out('ls', '--long', '--recursive', rootEntry.obj)), id).toEqual(sortedLines(text))
    }
  })
})
