import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { scratchFolders } from '../support/scratch.ts'
import { describeAddon, lengths, noise } from './addon.ts'

const scratch = scratchFolders()
const secret = noise(32, 3)
const wrong = (value: unknown) => value as Uint8Array

describeAddon('sealInPlace and openRanges', (addon) => {
  it.each([0, 1])('make of plain bytes what open takes, and plain bytes of that again (cipher %i)', async (cipher) => {
    const plains = lengths.map((n, i) => noise(n, i))
    const bodies = plains.map((p) => Buffer.from(p))
    const identities = noise(16 * plains.length, 99)
    const edges = Buffer.alloc(28 * plains.length)
    await addon.sealInPlace(cipher, secret, bodies, identities, edges)
    const sealed = bodies.map((body, i) =>
      Buffer.concat([edges.subarray(28 * i, 28 * i + 12), body, edges.subarray(28 * i + 12, 28 * i + 28)]),
    )
    for (const [i, one] of sealed.entries()) {
      const plain = await addon.open(cipher, secret, one, identities.subarray(16 * i, 16 * i + 16))
      expect(plain.equals(plains[i] as Buffer)).toBe(true)
    }
    const ranges = new Uint32Array(2 * sealed.length)
    let at = 0
    for (const [i, one] of sealed.entries()) {
      ranges.set([at, one.length], 2 * i)
      at += one.length
    }
    const whole = Buffer.concat(sealed)
    const out = Buffer.alloc(plains.reduce((sum, p) => sum + p.length, 0))
    const states = new Uint8Array(plains.length)
    const damaged = 20
    const flipped = (ranges[2 * damaged] as number) + 20
    whole[flipped] = (whole[flipped] as number) ^ 1
    await addon.openRanges(cipher, secret, whole, ranges, identities, out, states)
    expect(Array.from(states)).toEqual(plains.map((_, i) => (i === damaged ? 0 : 1)))
    at = 0
    for (const [i, plain] of plains.entries()) {
      if (i !== damaged) expect(out.subarray(at, at + plain.length).equals(plain)).toBe(true)
      at += plain.length
    }
  })

  it('refuse what does not fit', () => {
    const edges = Buffer.alloc(28)
    const identities = Buffer.alloc(16)
    expect(() => addon.sealInPlace(0, secret, [Buffer.alloc(1), Buffer.alloc(1)], identities, edges)).toThrow(RangeError)
    expect(() => addon.sealInPlace(0, secret, [wrong('x')], identities, edges)).toThrow(TypeError)
    expect(() => addon.sealInPlace(2, secret, [], identities, edges)).toThrow(TypeError)
    const open = (ranges: number[], outBytes: number) =>
      addon.openRanges(0, secret, Buffer.alloc(100), Uint32Array.from(ranges), identities, Buffer.alloc(outBytes), new Uint8Array(1))
    for (const ranges of [[0, 27], [90, 28], [0, 40, 40, 40], [0]]) expect(() => open(ranges, 100)).toThrow()
    expect(() => open([0, 40], 11)).toThrow(RangeError)
  })
})

describeAddon('writeFiles', (addon) => {
  const write = async (directory: string, names: readonly string[], flags = 7) => {
    const results = new Int32Array(names.length).fill(-1)
    const ranges = Uint32Array.from(names.flatMap((_, i) => [i, 3]))
    const attributes = Uint32Array.from(names.flatMap((_, i) => [0o640 + i, process.getuid?.() ?? 0, process.getgid?.() ?? 0]))
    const times = Buffer.from(BigInt64Array.from(names.flatMap((_, i) => [BigInt(1000 + i), 123_456_789n])).buffer)
    const packed = Buffer.from(`${names.join('\0')}\0`)
    await addon.writeFiles(Buffer.from(`${directory}\0`), packed, Buffer.from('abcdefgh'), ranges, attributes, times, flags, results)
    return Array.from(results)
  }

  it('makes files with their bytes and attributes, and leaves alone what is there', async () => {
    const folder = scratch()
    writeFileSync(join(folder, 'there'), 'old')
    writeFileSync(join(folder, 'outside'), 'safe')
    symlinkSync('outside', join(folder, 'link'))
    symlinkSync('nowhere', join(folder, 'dangling'))
    const [eexist, etoolong] = [17, 36]
    expect(await write(folder, ['one', 'there', 'link', 'dangling', 'ä'.repeat(200), 'two'])).toEqual([
      0,
      eexist,
      eexist,
      eexist,
      etoolong,
      0,
    ])
    // Reading a file changes its access time.
    const { mode, mtimeNs, atimeNs } = lstatSync(join(folder, 'two'), { bigint: true })
    expect([mode & 0o7777n, mtimeNs, atimeNs]).toEqual([0o645n, 1_005_123_456_789n, 1_005_123_456_789n])
    expect(readFileSync(join(folder, 'one'), 'utf8')).toBe('abc')
    expect(readFileSync(join(folder, 'two'), 'utf8')).toBe('fgh')
    expect(readFileSync(join(folder, 'there'), 'utf8')).toBe('old')
    expect(readFileSync(join(folder, 'outside'), 'utf8')).toBe('safe')
    expect(existsSync(join(folder, 'nowhere'))).toBe(false)
    expect(await write(folder, ['plain'], 0)).toEqual([0])
    expect(lstatSync(join(folder, 'plain')).mode & 0o7777).toBe(0o600)
  })

  it('goes through no link at the end of the directory', async () => {
    const folder = scratch()
    mkdirSync(join(folder, 'real'))
    symlinkSync('real', join(folder, 'link'))
    expect((await write(join(folder, 'link'), ['a', 'b'])).every((code) => code > 0)).toBe(true)
    expect((await write(join(folder, 'missing'), ['a']))[0]).toBe(2)
    expect(existsSync(join(folder, 'real/a'))).toBe(false)
  })

  it('refuses names that lead elsewhere, and arguments that do not fit', async () => {
    const folder = scratch()
    for (const names of [[''], ['a/b'], ['a', '']]) await expect(write(folder, names)).rejects.toThrow(RangeError)
    const call = (directory: string, names: string, count: number) =>
      addon.writeFiles(
        Buffer.from(directory),
        Buffer.from(names),
        Buffer.alloc(8),
        new Uint32Array(2 * count),
        new Uint32Array(3),
        Buffer.alloc(16),
        0,
        new Int32Array(1),
      )
    for (const [directory, names, count] of [
      [folder, 'a\0', 1],
      [`${folder}\0x\0`, 'a\0', 1],
      [`${folder}\0`, 'a', 1],
      [`${folder}\0`, 'a\0b\0', 1],
      [`${folder}\0`, 'a\0b\0', 2],
    ] as const)
      expect(() => call(directory, names, count)).toThrow()
    expect(existsSync(join(folder, 'a'))).toBe(false)
  })
})
