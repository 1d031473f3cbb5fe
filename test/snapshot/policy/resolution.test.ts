import { describe, expect, it } from 'vitest'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { defaultPolicy, type emptyPolicy } from '#snapshot/policy/defaults.ts'
import type { DefinedPolicy } from '#snapshot/policy/merge.ts'
import { decodePolicy } from '#snapshot/policy/policy-json.ts'
import { effectiveAmong } from '#snapshot/policy/store.ts'

/** The table of specification 07, 7.3.1: which level supplies a member. */
const levels: Readonly<Record<string, SourceInfo>> = {
  global: { user: '', host: '', path: '' },
  host: { user: '', host: 'h', path: '' },
  user: { user: 'u', host: 'h', path: '' },
  root: { user: 'u', host: 'h', path: '/' },
  parent: { user: 'u', host: 'h', path: '/a' },
  own: { user: 'u', host: 'h', path: '/a/b' },
  // Never asked.
  below: { user: 'u', host: 'h', path: '/a/b/c' },
  sibling: { user: 'u', host: 'h', path: '/a/bb' },
  stranger: { user: 'v', host: 'h', path: '/a/b' },
  elsewhere: { user: 'u', host: 'i', path: '/a/b' },
}
const source = levels['own'] as SourceInfo

const resolve = (defined: Readonly<Record<string, object>>) => {
  const policies: DefinedPolicy[] = Object.entries(defined).map(([level, json], i) => ({
    id: String(i),
    target: levels[level.replace(/\d$/, '')] as SourceInfo,
    policy: decodePolicy(json),
  }))
  return effectiveAmong(policies, source)
}

const member = (value: object, path: string): unknown =>
  path.split('.').reduce<unknown>((v, key) => (v as Record<string, unknown>)?.[key], value)
const nested = (path: string, value: unknown): object =>
  path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object

const order = ['own', 'parent', 'root', 'user', 'host', 'global']

describe('a member comes from the nearest level that has it', () => {
  it.each([
    ['retention.keepLatest', [1, 2, 3, 4, 5, 6]],
    ['retention.keepDaily', [0, 0, 3, 4, 5, 6]],
    ['errorHandling.ignoreFileErrors', [false, true, false, true, false, true]],
    ['files.ignoreCacheDirs', [false, true, false, true, false, true]],
    ['files.oneFileSystem', [true, false, true, false, true, false]],
    ['files.ignore', [['1'], ['2'], ['3'], ['4'], ['5'], ['6']]],
    ['files.maxFileSize', [1, 2, 3, 4, 5, 6]],
    ['compression.compressorName', ['zstd', 'gzip', 'pgzip', 's2-default', 'deflate-default', 'none']],
    ['splitter.algorithm', ['FIXED-1M', 'FIXED-2M', 'FIXED-4M', 'FIXED-8M', 'DYNAMIC', 'FIXED']],
    ['scheduling.intervalSeconds', [1, 2, 3, 4, 5, 6]],
    ['scheduling.cron', [['1 * * * *'], ['2 * * * *'], ['3 * * * *'], ['4 * * * *'], ['5 * * * *'], ['6 * * * *']]],
    ['upload.maxParallelFileReads', [1, 2, 3, 4, 5, 6]],
    ['logging.entries.cacheHit', [0, 1, 2, 3, 4, 5]],
    ['osSnapshots.volumeShadowCopy.enable', [0, 1, 2, 0, 1, 2]],
    ['actions.beforeSnapshotRoot', order.map((path) => ({ path, mode: 'essential' }))],
  ] as const)('%s', (path, values) => {
    for (let nearest = 0; nearest < order.length; nearest++) {
      const defined = Object.fromEntries(order.slice(nearest).map((level, i) => [level, nested(path, values[nearest + i])]))
      const { effective, definition } = resolve({ ...defined, below: nested(path, values[0]), stranger: nested(path, values[0]) })
      expect(member(effective, path)).toEqual(values[nearest])
      if (!path.startsWith('actions')) expect(member(definition, path)).toEqual(levels[order[nearest] as string])
    }
  })

  it('zero, false and an empty list count as unset where the member says so', () => {
    const { effective } = resolve({
      own: { files: { maxFileSize: 0, ignore: [] }, compression: { compressorName: '' }, scheduling: { intervalSeconds: 0 } },
      parent: { files: { maxFileSize: 7, ignore: ['x'] }, compression: { compressorName: 'zstd' }, scheduling: { intervalSeconds: 7 } },
    })
    expect(effective.files).toMatchObject({ maxFileSize: 7, ignore: ['x'] })
    expect(effective.compression.compressorName).toBe('zstd')
    expect(effective.scheduling.intervalSeconds).toBe(7)
  })

  it('nothing of others, of siblings or from below has a say', () => {
    const other = { retention: { keepLatest: 99 } }
    expect(resolve({ below: other, sibling: other, stranger: other, elsewhere: other }).effective).toEqual(resolve({}).effective)
    expect(resolve({}).effective.retention).toEqual(defaultPolicy.retention)
  })

  it('of several for one target the oldest has the first word', () => {
    expect(
      resolve({ own1: { retention: { keepLatest: 1 } }, own2: { retention: { keepLatest: 2, keepDaily: 2 } } }).effective.retention,
    ).toMatchObject({ keepLatest: 1, keepDaily: 2 })
  })
})

describe('members that come from several levels', () => {
  it.each([
    ['manual', { scheduling: { manual: true } }, (p: typeof emptyPolicy) => p.scheduling.manual],
    ['noParentIgnore', { files: { noParentIgnore: true } }, (p: typeof emptyPolicy) => p.files.noParentIgnore],
    ['noParentDotFiles', { files: { noParentDotFiles: true } }, (p: typeof emptyPolicy) => p.files.noParentDotFiles],
  ])('%s is set when any level sets it', (_, json, get) => {
    for (const level of order) expect(get(resolve({ [level]: json }).effective)).toBe(true)
  })

  it.each([
    ['onlyCompress', 'noParentOnlyCompress'],
    ['neverCompress', 'noParentNeverCompress'],
  ])('%s is gathered up to the level that says not to', (list, flag) => {
    const defined = {
      own: { compression: { [list]: ['.c', '.a'] } },
      parent: { compression: { [list]: ['.b', '.a'] } },
      global: { compression: { [list]: ['.z'] } },
    }
    expect(member(resolve(defined).effective, `compression.${list}`)).toEqual(['.a', '.b', '.c', '.z'])
    const stopped = { ...defined, parent: { compression: { [list]: ['.b'], [flag]: true } } }
    expect(member(resolve(stopped).effective, `compression.${list}`)).toEqual(['.a', '.b', '.c'])
  })

  it('times of day are gathered, each once, in order', () => {
    const times = (...list: string[]) => ({
      scheduling: { timeOfDay: list.map((t) => ({ hour: Number(t.split(':')[0]), min: Number(t.split(':')[1]) })) },
    })
    const { effective } = resolve({ own: times('9:30', '7:00'), user: times('7:00', '8:15') })
    expect(effective.scheduling.timeOfDay).toEqual([
      { hour: 7, min: 0 },
      { hour: 8, min: 15 },
      { hour: 9, min: 30 },
    ])
  })
})

describe('noParent', () => {
  it.each(order)('at %s keeps out everything above it and the built-in values', (level) => {
    const at = order.indexOf(level)
    const defined: Record<string, object> = Object.fromEntries(
      order.map((l, i) => [l, { retention: { [`keep${['Latest', 'Hourly', 'Daily', 'Weekly', 'Monthly', 'Annual'][i]}`]: i + 1 } }]),
    )
    defined[level] = { ...defined[level], noParent: true }
    const { retention, metadataCompression } = resolve(defined).effective
    expect(Object.values(retention).filter((v) => v !== undefined)).toEqual(order.slice(0, at + 1).map((_, i) => i + 1))
    expect(metadataCompression.compressorName).toBeUndefined()
  })
})
