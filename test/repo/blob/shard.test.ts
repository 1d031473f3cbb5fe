import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blobIdOf, blobPath, defaultLayout, formatLayout, mayHold, parseLayout, type ShardLayout } from '#repo/blob/shard.ts'

const layout = (shards: number[], max = 20): ShardLayout => ({ default: shards, maxNonShardedLength: max, overrides: [] })

describe('blobPath', () => {
  test.each([
    ['p00003237e0ac3607edbee743a26b0b34', layout([1, 3]), 'p/000/03237e0ac3607edbee743a26b0b34.f'],
    ['p00003237e0ac3607edbee743a26b0b34', layout([3, 3]), 'p00/003/237e0ac3607edbee743a26b0b34.f'],
    ['kopia.repository', layout([1, 3]), 'kopia.repository.f'],
    ['xn0_0123456789abcdef', layout([1, 3]), 'xn0_0123456789abcdef.f'],
    ['xn0_0123456789abcdefg', layout([1, 3]), 'x/n0_/0123456789abcdefg.f'],
    ['foobarbaz12345678910123213123', layout([1, 3]), 'f/oob/arbaz12345678910123213123.f'],
    ['p00003237e0ac3607edbee743a26b0b34', layout([]), 'p00003237e0ac3607edbee743a26b0b34.f'],
    ['p00003237e0ac3607edbee743a26b0b34', layout([0]), 'p00003237e0ac3607edbee743a26b0b34.f'],
    ['xo', { ...layout([2], 2), overrides: [{ prefix: 'x', shards: [1, 1, 1] }] }, 'xo.f'],
    ['xbye', { ...layout([2], 2), overrides: [{ prefix: 'x', shards: [1, 1, 1] }] }, 'x/b/y/e.f'],
    ['abc', layout([1, 1, 1], 2), 'a/b/c.f'],
  ])('puts %s where Kopia does', (id, shards, path) => {
    expect(blobPath(shards, id)).toBe(path)
  })

  test('takes the first override that matches', () => {
    const overrides = [
      { prefix: 'pq', shards: [] },
      { prefix: 'p', shards: [2] },
      { prefix: 'pqr', shards: [5] },
    ]
    expect(blobPath({ ...layout([1], 1), overrides }, 'pqrstuvw')).toBe('pqrstuvw.f')
    expect(blobPath({ ...layout([1], 1), overrides }, 'pzrstuvw')).toBe('pz/rstuvw.f')
    expect(blobPath({ ...layout([1], 1), overrides }, 'qzrstuvw')).toBe('q/zrstuvw.f')
  })
})

test('the names of folders and file, joined, are the ID, whatever the layout', () => {
  const id = fc.string({ unit: fc.constantFrom(...'abcdef0123456789-_'), minLength: 1, maxLength: 60 })
  const lengths = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 5 })
  const overrides = fc.array(fc.record({ prefix: fc.string({ unit: fc.constantFrom(...'ab0'), maxLength: 2 }), shards: lengths }))
  fc.assert(
    fc.property(id, lengths, overrides, fc.integer({ min: 0, max: 25 }), (blob, shards, others, max) => {
      const parts = blobPath({ default: shards, maxNonShardedLength: max, overrides: others }, blob).split('/')
      expect(parts).not.toContain('')
      expect(blobIdOf(parts.join(''), blob.slice(0, 3))).toBe(blob)
      const folders = parts.slice(0, -1)
      folders.forEach((_, i) => {
        expect(mayHold(folders.slice(0, i + 1).join(''), blob)).toBe(true)
      })
    }),
  )
})

describe('the .shards file', () => {
  test('is read with overrides and whatever follows the JSON', () => {
    const text = '{"default":[1,3],"maxNonShardedLength":20,"overrides":[{"prefix":"p","shards":[2,2]}]}\n{"garbage'
    expect(parseLayout(text)).toEqual({ ...layout([1, 3]), overrides: [{ prefix: 'p', shards: [2, 2] }] })
  })

  test('means flat when the list is null or missing', () => {
    expect(parseLayout('{"default":null,"maxNonShardedLength":20}').default).toEqual([])
    expect(parseLayout('{}')).toEqual(layout([], 0))
  })

  test.each(['', '[]', '{"default":"1"}', '{"default":[1.5]}', '{"overrides":{}}', '{"maxNonShardedLength":"20"}', '{"default":[1'])(
    'is refused as %j',
    (text) => {
      expect(() => parseLayout(text)).toThrow()
    },
  )

  test('is written as one line, without overrides when there are none', () => {
    expect(formatLayout(defaultLayout(null, true))).toBe('{"default":[1,3],"maxNonShardedLength":20}\n')
    expect(formatLayout(defaultLayout(null, false))).toBe('{"default":[3,3],"maxNonShardedLength":20}\n')
    expect(formatLayout(defaultLayout([], true))).toBe('{"default":[],"maxNonShardedLength":20}\n')
  })
})

test('a folder is walked only if its name and the prefix agree', () => {
  expect(mayHold('p', 'p00')).toBe(true)
  expect(mayHold('p000', 'p00')).toBe(true)
  expect(mayHold('p', '')).toBe(true)
  expect(mayHold('q', 'p00')).toBe(false)
  expect(mayHold('p01', 'p00')).toBe(false)
})

test('only files that end in .f and start with the prefix are blobs', () => {
  expect(blobIdOf('p01.f', 'p')).toBe('p01')
  expect(blobIdOf('p01.f', 'p01.')).toBeUndefined()
  expect(blobIdOf('.shards', '')).toBeUndefined()
  expect(blobIdOf('p01.f.tmp.0123456789abcdef', 'p')).toBeUndefined()
})
