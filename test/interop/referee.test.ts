import { type Dirent, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { compressorNames, isSupported } from '#repo/compression/registry.ts'
import { cipherNames } from '#repo/crypto/cipher.ts'
import { hashNames } from '#repo/crypto/hash.ts'
import { splitterNames } from '#repo/object/splitter/registry.ts'
import { createRepository, type NewRepositoryOptions } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { deleteSnapshot, listSnapshots } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { globalSource } from '#snapshot/model/source-text.ts'
import { defaultPolicy, emptyPolicy } from '#snapshot/policy/defaults.ts'
import type { Policy } from '#snapshot/policy/policy.ts'
import { setPolicy } from '#snapshot/policy/store.ts'
import { createSnapshot } from '#snapshot/upload/create.ts'
import { alice } from '../support/open-fixture.ts'
import { runFsck } from '../support/referee.ts'
import { buildTree } from '../support/source-tree.ts'
import type { TreeEntry } from './facts.ts'

const password = 'referee-password'
const place = mkdtempSync(join(tmpdir(), 'kura-referee-'))
afterAll(() => rmSync(place, { recursive: true, force: true }))

let made = 0
const newPath = (): string => join(place, String(made++))

const tree = (version: number, largeBytes: number): TreeEntry[] => [
  { path: 'empty.txt', type: 'file', content: { text: '' } },
  { path: 'note.txt', type: 'file', content: { text: `version ${version}\n` }, mtimeNs: `${1700000000 + version}000000001` },
  { path: 'words.txt', type: 'file', content: { gen: 'text', size: 300_000, seed: 1 } },
  { path: 'large.bin', type: 'file', content: { gen: 'mixed', size: largeBytes, seed: 2 } },
  { path: `new-${version}.bin`, type: 'file', content: { gen: 'random', size: 70_000, seed: 10 + version } },
  { path: 'sub/deep/leaf "quoted" <&>.txt', type: 'file', content: { text: 'leaf\n' }, mode: '0600' },
  { path: 'sub/link', type: 'symlink', target: 'deep/nowhere' },
  { path: 'ümlaut', type: 'dir' },
]

/** Two states of one folder, made once and shared. */
const states = new Map<number, Promise<readonly [string, string]>>()
function statesOf(largeBytes: number): Promise<readonly [string, string]> {
  let both = states.get(largeBytes)
  if (!both) {
    const [first, second] = [newPath(), newPath()] as const
    both = (async () => {
      await buildTree(first, tree(1, largeBytes))
      await buildTree(second, tree(2, largeBytes))
      return [first, second] as const
    })()
    states.set(largeBytes, both)
  }
  return both
}

async function open(path: string): Promise<DirectRepository> {
  return openRepositoryDirectly(await filesystemBackend.open(filesystemOptions(path), false), password, { client: alice })
}

async function snapshot(repository: DirectRepository, source: SourceInfo, localPath: string): Promise<void> {
  const { snapshot: saved } = await createSnapshot(repository, { source, localPath }, {})
  expect(saved.stats.errorCount).toBe(0)
}

const folder = (name: string): SourceInfo => ({ user: alice.username, host: alice.hostname, path: `/home/alice/${name}` })

interface Case {
  readonly options?: NewRepositoryOptions
  readonly global?: Partial<Policy>
  /** A source each, with this policy. */
  readonly sources?: Readonly<Record<string, Partial<Policy>>>
  readonly largeBytes?: number
}

/** Two snapshots of every source, the second after changes and in a new session; then one of them is deleted. */
async function writeRepository(path: string, c: Case): Promise<void> {
  const { options = {}, global = {}, sources = { docs: {} }, largeBytes = 700_000 } = c
  const storage = await filesystemBackend.open(filesystemOptions(path), true)
  await createRepository(storage, options, password)
  await storage.close()
  const [first, second] = await statesOf(largeBytes)
  const names = Object.keys(sources)
  {
    await using repository = await open(path)
    await setPolicy(repository, globalSource, { ...defaultPolicy, ...global })
    for (const [name, policy] of Object.entries(sources))
      if (Object.keys(policy).length > 0) await setPolicy(repository, folder(name), { ...emptyPolicy, ...policy })
    await repository.flush()
    for (const name of names) await snapshot(repository, folder(name), first)
    await repository.flush()
  }
  await using repository = await open(path)
  for (const name of names) await snapshot(repository, folder(name), second)
  const all = await listSnapshots(repository)
  expect(all.length).toBe(2 * names.length)
  await deleteSnapshot(repository, all[0]?.id ?? '')
  await repository.flush()
}

async function expectClean(c: Case, ...flags: string[]): Promise<void> {
  const path = newPath()
  await writeRepository(path, c)
  const { status, output } = await runFsck(path, password, ...flags)
  expect(output.replace(/^note:.*\n/gm, '')).not.toMatch(/Traceback/)
  expect({ status, output: status === 0 ? '' : output }).toEqual({ status: 0, output: '' })
  rmSync(path, { recursive: true })
}

describe.concurrent('the strict checker finds nothing wrong with what Kura writes', () => {
  test.each([1, 2, 3])('format version %i', (version) => expectClean({ options: { version } }, '--strict-splitter'))

  test.each(hashNames)('hash %s', (hash) => expectClean({ options: { hash } }))

  test.each(cipherNames)('cipher %s', (encryption) => expectClean({ options: { encryption } }))

  test.each([2, 10, 50])('error correction of %i percent', (eccOverheadPercent) => expectClean({ options: { eccOverheadPercent } }))

  test('format key by PBKDF2', () => expectClean({ options: { keyAlgorithm: 'pbkdf2-sha256-600000' } }))

  test.each(['FIXED', 'FIXED-1M', 'DYNAMIC-128K-RABINKARP', 'DYNAMIC-1M-BUZHASH', 'DYNAMIC-8M-BUZHASH'])('splitter %s', (splitter) =>
    expectClean({ options: { splitter }, largeBytes: 5_000_000 }, '--strict-splitter'),
  )

  test('packs of 10 MB', () => expectClean({ options: { maxPackSizeBytes: 10 << 20 }, largeBytes: 25_000_000 }))

  test('every splitter, by the policy of a source each', () => {
    const sources = Object.fromEntries(splitterNames.map((name) => [name, { splitter: { algorithm: name } }]))
    return expectClean({ sources, largeBytes: 1_300_000 }, '--strict-splitter')
  })

  const writable = compressorNames.filter((name) => isSupported(name) && !name.startsWith('lz4'))

  test('there are as many compressors as the format has', () => expect(writable.length).toBe(17))

  test.each([1, 3])('every compressor in format version %i, for data and metadata', (version) => {
    const policy = (compressorName: string) => ({ compression: { compressorName }, metadataCompression: { compressorName } })
    const sources = Object.fromEntries(writable.map((name) => [name, policy(name)]))
    return expectClean({ options: { version }, sources })
  })

  test('compression together with error correction', () =>
    expectClean({ options: { eccOverheadPercent: 5 }, global: { compression: { compressorName: 'zstd' } } }))
})

test('the strict checker does notice a changed byte', async () => {
  const path = newPath()
  await writeRepository(path, {})
  const pack = (readdirSync(path, { recursive: true, withFileTypes: true }) as Dirent[]).find(
    (e) => e.isFile() && join(e.parentPath, e.name).startsWith(join(path, 'p/')),
  )
  if (!pack) throw new Error('no pack')
  const file = join(pack.parentPath, pack.name)
  const bytes = readFileSync(file)
  bytes[100] = (bytes[100] as number) ^ 1
  writeFileSync(file, bytes)
  expect(await runFsck(path, password)).toMatchObject({ status: 1, output: expect.stringContaining('VIOLATION') })
})
