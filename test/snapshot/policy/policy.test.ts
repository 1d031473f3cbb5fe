import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { globalSource, parseSource } from '#snapshot/model/source-text.ts'
import { compressorFor } from '#snapshot/policy/compressor-choice.ts'
import { defaultPolicy, emptyPolicy } from '#snapshot/policy/defaults.ts'
import { encodeDefinition, mergePolicies } from '#snapshot/policy/merge.ts'
import type { Policy } from '#snapshot/policy/policy.ts'
import { decodePolicy, encodePolicy, PolicyFormatError } from '#snapshot/policy/policy-json.ts'
import {
  effectivePolicy,
  getPolicy,
  listPolicies,
  parentPath,
  policyLabels,
  policyTreeFor,
  removePolicy,
  setPolicy,
} from '#snapshot/policy/store.ts'
import { sharedPath } from '../../support/shared.ts'
import { fakeRepository } from '../fake-repository.ts'

interface Facts {
  readonly policies?: readonly { readonly id: string; readonly target: { host: string; userName: string; path: string } }[]
  readonly effectivePolicies?: Readonly<Record<string, unknown>>
  readonly policyExport?: Readonly<Record<string, unknown>>
}

function* fixtures(): Generator<[string, Facts]> {
  for (const name of readdirSync(sharedPath('fixtures'))) {
    const bytes = name.endsWith('.json.gz')
      ? gunzipSync(readFileSync(sharedPath('fixtures', name)))
      : readFileSync(sharedPath('fixtures', name))
    if (/\.json(\.gz)?$/.test(name) && !name.startsWith('default-commands')) yield [name, JSON.parse(bytes.toString()) as Facts]
  }
}
const source = (text: string) => parseSource(text, { user: 'alice', host: 'laptop' })
const me = source('alice@laptop:/home/alice/docs')
const policy = (part: Partial<Policy>): Policy => ({ ...emptyPolicy, ...part })

describe('policies that Kopia stored', () => {
  it('survive decoding and encoding with the order of their members', () => {
    let checked = 0
    for (const [name, facts] of fixtures())
      for (const p of Object.values(facts.policyExport ?? {})) {
        expect(encodePolicy(decodePolicy(p, { strict: true })), name).toBe(JSON.stringify(p))
        checked++
      }
    expect(checked).toBeGreaterThanOrEqual(20)
  })
  it('give the effective policies that Kopia shows', async () => {
    let checked = 0
    for (const [name, facts] of fixtures()) {
      const { repository, manifests } = fakeRepository()
      for (const { id, target, ...body } of facts.policies ?? []) {
        const t = { user: target.userName, host: target.host, path: target.path }
        manifests.add(id, policyLabels(t), JSON.stringify(body))
      }
      for (const [target, expected] of Object.entries(facts.effectivePolicies ?? {})) {
        const { effective } = await effectivePolicy(repository, source(target))
        expect(JSON.parse(encodePolicy(effective)), `${name} ${target}`).toEqual(expected)
        checked++
      }
    }
    expect(checked).toBeGreaterThanOrEqual(20)
  })
  it('the built-in default is written as in a new repository', () => {
    const fresh = JSON.parse(readFileSync(sharedPath('fixtures/fresh.json'), 'utf8')) as Facts
    expect(encodePolicy(defaultPolicy)).toBe(JSON.stringify(fresh.policyExport?.['(global)']))
  })
})

describe('policy JSON', () => {
  it('refuses wrong types, and unknown members when asked', () => {
    for (const bad of [5, [], { retention: [] }, { retention: { keepLatest: '5' } }, { files: { ignore: 'x' } }, { noParent: 1 }])
      expect(() => decodePolicy(bad)).toThrow(PolicyFormatError)
    expect(() => decodePolicy({ files: { nope: 1 } }, { strict: true })).toThrow(/files\.nope/)
    expect(decodePolicy({ files: { nope: 1 } })).toEqual(emptyPolicy)
  })
  it('keeps set zeros and drops meaningless ones', () => {
    const p = decodePolicy({ retention: { keepLatest: 0 }, files: { maxFileSize: 0, ignore: [] }, scheduling: { manual: false } })
    expect(p).toEqual(policy({ retention: { keepLatest: 0 } }))
  })
})

describe('merging', () => {
  const at = (text: string, part: Partial<Policy>) => ({ id: 'x', target: source(text), policy: policy(part) })
  it('follows the rule of each member and says who supplied it', () => {
    const { effective, definition } = mergePolicies([
      at('alice@laptop:/a', { retention: { keepLatest: 0 }, files: { maxFileSize: 0 }, compression: { neverCompress: ['.z', '.a'] } }),
      at('alice@laptop', {
        retention: { keepLatest: 5, keepDaily: 1 },
        files: { maxFileSize: 7, ignore: ['x'] },
        compression: { neverCompress: ['.b'], noParentNeverCompress: true },
        scheduling: {
          timeOfDay: [
            { hour: 5, min: 1 },
            { hour: 4, min: 9 },
          ],
          manual: true,
        },
        actions: { beforeFolder: { path: 'p' }, beforeSnapshotRoot: { path: 'q' } },
      }),
      at('@laptop', {
        files: { ignore: ['y', 'z'] },
        compression: { neverCompress: ['.c'] },
        scheduling: { timeOfDay: [{ hour: 5, min: 1 }] },
      }),
    ])
    expect(effective).toMatchObject({
      retention: { keepLatest: 0, keepDaily: 1, keepHourly: 48 },
      files: { maxFileSize: 7, ignore: ['x'] },
      compression: { neverCompress: ['.a', '.b', '.z'], noParentNeverCompress: true, compressorName: 'none' },
      scheduling: {
        timeOfDay: [
          { hour: 4, min: 9 },
          { hour: 5, min: 1 },
        ],
        manual: true,
        runMissed: true,
      },
    })
    expect(effective.actions).toEqual({ beforeSnapshotRoot: { path: 'q' } })
    const d = JSON.parse(encodeDefinition(definition)) as Record<string, Record<string, unknown>>
    expect(d['retention']?.['keepLatest']).toEqual({ host: 'laptop', userName: 'alice', path: '/a' })
    expect(d['files']?.['maxFileSize']).toEqual({ host: 'laptop', userName: 'alice', path: '' })
    expect(d['retention']?.['keepHourly']).toEqual({ host: '', userName: '', path: '' })
    expect(Object.keys(d['scheduling'] ?? {})).toEqual(['intervalSeconds', 'timeOfDay', 'cron', 'manual', 'runMissed'])
    expect(Object.keys(d['actions'] ?? {})).toEqual(['beforeSnapshotRoot', 'afterSnapshotRoot'])
    expect(Object.keys(d)).not.toContain('noParent')
  })
  it('noParent keeps out everything above, the built-in values too', () => {
    const { effective } = mergePolicies([
      at('alice@laptop:/a', { noParent: true, actions: { beforeFolder: { path: 'p' } } }),
      at('@laptop', { files: { ignore: ['y'] } }),
    ])
    expect(effective).toEqual(emptyPolicy)
  })
  it('own folder actions are kept', () => {
    expect(mergePolicies([at('alice@laptop:/a', { actions: { afterFolder: { path: 'p' } } })]).effective.actions).toEqual({
      afterFolder: { path: 'p' },
    })
  })
})

describe('stored policies', () => {
  it('are set, replaced, listed and removed', async () => {
    const { repository, manifests } = fakeRepository()
    await setPolicy(repository, me, policy({ retention: { keepLatest: 1 } }))
    await setPolicy(repository, me, policy({ retention: { keepLatest: 2 } }))
    await setPolicy(repository, globalSource, defaultPolicy)
    await setPolicy(repository, source('@laptop'), emptyPolicy)
    expect(manifests.stored.size).toBe(3)
    expect((await getPolicy(repository, me))?.policy.retention).toEqual({ keepLatest: 2 })
    expect((await listPolicies(repository)).map((p) => p.target.path)).toEqual(['', '', '/home/alice/docs'])
    expect((await effectivePolicy(repository, { ...me, path: '/home/alice/docs/sub' })).chain.map((p) => p.target.path)).toEqual([
      '/home/alice/docs/sub',
      '/home/alice/docs',
      '',
      '',
    ])
    expect(await removePolicy(repository, me)).toBe(true)
    expect(await removePolicy(repository, me)).toBe(false)
    expect(await getPolicy(repository, me)).toBeUndefined()
  })
  it('an override replaces the policy of the source', async () => {
    const { repository } = fakeRepository()
    await setPolicy(repository, me, policy({ retention: { keepLatest: 1 } }))
    expect((await effectivePolicy(repository, me, policy({ retention: { keepLatest: 9 } }))).effective.retention.keepLatest).toBe(9)
  })
  it('what must not be stored is refused', async () => {
    const { repository } = fakeRepository()
    const refused = [
      [source('a@b:/home/'), emptyPolicy],
      [source('a@b:\\'), emptyPolicy],
      [source('a@b://'), emptyPolicy],
      [me, policy({ scheduling: { manual: true, runMissed: false } })],
      [me, policy({ scheduling: { cron: ['nonsense'] } })],
      [me, policy({ upload: { maxParallelSnapshots: 2 } })],
    ] as const
    for (const [target, p] of refused) await expect(setPolicy(repository, target, p)).rejects.toThrow(UsageError)
    for (const path of ['/', 'C:\\', 'c:/'])
      await setPolicy(repository, { ...me, path }, policy({ scheduling: { cron: ['# x', '0 5 * * *'] } }))
  })
  it('parents of paths of any system', () => {
    const cases = [
      ['/x/a/', '/x'],
      ['/x', '/'],
      ['/', '/'],
      ['X:\\Program Files', 'X:\\'],
      ['X:/a/b', 'X:/a'],
      ['X:/Program Files\\Blah', 'X:/Program Files'],
      ['X:\\', 'X:\\'],
    ]
    for (const [path, parent] of cases) expect(parentPath(path as string)).toBe(parent)
  })
})

describe('the policy tree', () => {
  it('a policy below the source is used alone, and inherited from there on down', async () => {
    const { repository } = fakeRepository()
    await setPolicy(repository, globalSource, policy({ compression: { compressorName: 'zstd' } }))
    await setPolicy(repository, { ...me, path: '/home/alice/docs/a/b' }, policy({ files: { ignore: ['x'] } }))
    await setPolicy(repository, { ...me, path: '/home/alice/docs2' }, policy({ files: { ignore: ['y'] } }))
    await setPolicy(repository, { ...me, user: 'bob', path: '/home/alice/docs/c' }, policy({ files: { ignore: ['z'] } }))
    const tree = await policyTreeFor(repository, me)
    expect(tree).toMatchObject({ isDefined: true, effective: { compression: { compressorName: 'zstd' } } })
    expect(tree.child('a')).toMatchObject({ isDefined: false, effective: tree.effective })
    expect(tree.child('a').child('b')).toMatchObject({ isDefined: true, effective: policy({ files: { ignore: ['x'] } }) })
    expect(tree.child('a').child('b').child('deep').child('er')).toMatchObject({
      isDefined: false,
      effective: { files: { ignore: ['x'] } },
    })
    expect(tree.child('c')).toMatchObject({ isDefined: false, effective: tree.effective })
    const root = await policyTreeFor(repository, { ...me, path: '/' })
    expect(root.child('home').child('alice').child('docs2').isDefined).toBe(true)
  })
})

describe('the compressor of a file', () => {
  it.each([
    [{}, 'a', 5, ''],
    [{ compressorName: 'none' }, 'a', 5, ''],
    [{ compressorName: 'zstd' }, 'a', 5, 'zstd'],
    [{ compressorName: 'zstd', minSize: 6 }, 'a', 5, ''],
    [{ compressorName: 'zstd', maxSize: 4 }, 'a', 5, ''],
    [{ compressorName: 'zstd', minSize: 5, maxSize: 5 }, 'a', 5, 'zstd'],
    [{ compressorName: 'zstd', neverCompress: ['.gz'] }, 'a.tar.gz', 5, ''],
    [{ compressorName: 'zstd', neverCompress: ['.gz'] }, 'a.GZ', 5, 'zstd'],
    [{ compressorName: 'zstd', neverCompress: ['.gz'], onlyCompress: ['.gz'] }, 'a.gz', 5, 'zstd'],
    [{ compressorName: 'zstd', onlyCompress: ['.txt'] }, 'a.bin', 5, 'zstd'],
  ])('%j for %s of %i bytes: %s', (compression, name, size, expected) => expect(compressorFor(compression, name, size)).toBe(expected))
})
