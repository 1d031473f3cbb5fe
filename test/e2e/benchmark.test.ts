import { writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { compressorNames } from '#repo/compression/registry.ts'
import { cipherNames } from '#repo/crypto/cipher.ts'
import { hashNames } from '#repo/crypto/hash.ts'
import { splitterNames } from '#repo/object/splitter/registry.ts'
import { KuraHome } from '../support/kura.ts'

const home = new KuraHome()
afterAll(() => home.remove())

/** Names in the rows of a table (`  0. NAME ...`), sorted. */
const rowsOf = (out: string): string[] => [...out.matchAll(/^ *\d+\. (\S+)/gm)].map((m) => m[1] as string).sort()
const small = ['--repeat', '1', '--block-size', '4KB']

describe('benchmark', () => {
  test('measures every hash and every cipher, and says which flag takes the fastest', async () => {
    const hashing = await home.ok('benchmark', 'hashing', ...small)
    expect(rowsOf(hashing)).toEqual([...hashNames].sort())
    expect(hashing).toMatch(/^Fastest option for this machine is: --block-hash=\S+$/m)
    const encryption = await home.ok('benchmark', 'encryption', ...small, '--print-options')
    expect(rowsOf(encryption)).toEqual([...cipherNames].sort())
    for (const name of cipherNames) expect(encryption).toContain(`,   --encryption=${name}\n`)
    const both = await home.ok('benchmark', 'crypto', ...small)
    expect(rowsOf(both)).toHaveLength(hashNames.length * cipherNames.length)
  })

  test('splits the same bytes in the same way each time', async () => {
    const cuts = async () =>
      (await home.ok('benchmark', 'splitter', '--data-size', '3MB', '--block-count', '1'))
        .split('\n')
        .filter((line) => !/^ *\d+\. /.test(line))
        .map((line) => line.replace(/ +\S+ \wB\/s/, ''))
    const first = await cuts()
    expect(first.filter((line) => line.includes('count:')).map((line) => line.split(' ')[0])).toEqual([...splitterNames])
    expect(await cuts()).toEqual(first)
  })

  test('compresses a file with the methods that are asked for', async () => {
    const file = home.path('data')
    writeFileSync(file, 'to be or not to be, '.repeat(5_000))
    const run = await home.ok(
      'benchmark',
      'compression',
      '--data-file',
      file,
      '--repeat',
      '1',
      '--algorithms',
      'zstd,s2',
      '--verify-stable',
    )
    const expected = compressorNames.filter((name) => /^(zstd|s2)/.test(name))
    expect(rowsOf(run).filter((name, i, all) => name !== all[i - 1])).toEqual(expected.filter((name) => run.includes(name)).sort())
    expect(rowsOf(run).length).toBeGreaterThanOrEqual(12)
    writeFileSync(file, '')
    expect((await home.run('benchmark', 'compression', '--data-file', file)).status).toBe(1)
  })

  test('measures error correction', async () => {
    expect(rowsOf(await home.ok('benchmark', 'ecc', ...small))).toEqual(Array(5).fill('REED-SOLOMON-CRC32'))
  })
})
