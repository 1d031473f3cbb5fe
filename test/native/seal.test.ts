import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { describeAddon, largeLengths, lengths, noise } from './addon.ts'

const openssl = ['aes-256-gcm', 'chacha20-poly1305'] as const
const keyOf = (secret: Uint8Array, identity: Uint8Array) => createHmac('sha256', secret).update(identity).digest()

function sealByNode(cipher: number, secret: Uint8Array, plain: Uint8Array, identity: Uint8Array, nonce = noise(12)): Buffer {
  const c = createCipheriv(openssl[cipher] as 'aes-256-gcm', keyOf(secret, identity), nonce, { authTagLength: 16 })
  c.setAAD(identity)
  return Buffer.concat([nonce, c.update(plain), c.final(), c.getAuthTag()])
}

function openByNode(cipher: number, secret: Uint8Array, sealed: Uint8Array, identity: Uint8Array): Buffer {
  const d = createDecipheriv(openssl[cipher] as 'aes-256-gcm', keyOf(secret, identity), sealed.subarray(0, 12), { authTagLength: 16 })
  d.setAAD(identity).setAuthTag(sealed.subarray(-16))
  return Buffer.concat([d.update(sealed.subarray(12, -16)), d.final()])
}

const wrong = (value: unknown) => value as Uint8Array
const notBytes = [undefined, null, 'text', 7, {}, new ArrayBuffer(8), new Uint16Array(16)]

describeAddon('sealMany and open', (addon) => {
  it('seals pieces of one piece of memory, and refuses what lies outside', async () => {
    const secret = noise(32)
    const whole = noise(5000)
    const pieces = [0, 0, 100, 4900, 7, 1].flatMap((length, i) => [Math.min(i * 40, 5000 - length), length])
    const ranges = Uint32Array.from(pieces)
    const identities = noise(16 * 6, 5)
    const out = Buffer.alloc(5008 + 6 * 28)
    await addon.sealRanges(0, secret, whole, ranges, identities, out)
    for (let i = 0, at = 0; i < 6; i++) {
      const [start, length] = [ranges[2 * i] as number, ranges[2 * i + 1] as number]
      const sealed = out.subarray(at, at + length + 28)
      const opened = await addon.open(0, secret, sealed, identities.subarray(16 * i, 16 * i + 16))
      expect(opened.equals(whole.subarray(start, start + length))).toBe(true)
      at += sealed.length
    }
    const call = (r: Uint32Array, ids = identities, o = out) => addon.sealRanges(0, secret, whole, r, ids, o)
    for (const bad of [
      [5001, 0],
      [0, 5001],
      [4999, 2],
      [0xffff_ffff, 0xffff_ffff],
    ])
      expect(() => call(Uint32Array.from(bad))).toThrow(RangeError)
    expect(() => call(ranges, identities.subarray(1))).toThrow(RangeError)
    expect(() => call(ranges, identities, out.subarray(1))).toThrow(RangeError)
    expect(() => call(Uint32Array.of(1))).toThrow(TypeError)
    expect(() => call(wrong(new Int32Array(2)) as unknown as Uint32Array)).toThrow(TypeError)
  })

  it('puts results one after another into the bytes that it is given, and refuses too few', async () => {
    const secret = noise(32)
    const plains = [noise(0), noise(17, 2), noise(70_000, 3)]
    const identities = plains.map((_, i) => noise(16, i + 10))
    const out = Buffer.alloc(plains.reduce((sum, p) => sum + p.length + 28, 0))
    for (const cipher of [0, 1]) {
      expect(await addon.sealMany(cipher, secret, plains, identities, out)).toHaveLength(plains.length)
      let at = 0
      for (const [i, plain] of plains.entries()) {
        const sealed = out.subarray(at, at + plain.length + 28)
        expect((await addon.open(cipher, secret, sealed, identities[i] as Uint8Array)).equals(plain)).toBe(true)
        at += sealed.length
      }
    }
    expect(() => addon.sealMany(0, secret, plains, identities, out.subarray(1))).toThrow(RangeError)
    expect(() => addon.sealMany(0, secret, plains, identities, wrong('text'))).toThrow(TypeError)
  })

  it('make what node opens, and open what node makes, for every length', async () => {
    const secret = noise(32)
    for (const cipher of [0, 1]) {
      const plains = [...lengths, ...largeLengths.slice(0, 2)].map((n) => noise(n, n))
      const identities = plains.map((_, i) => noise(16, i))
      const sealed = await addon.sealMany(cipher, secret, plains, identities)
      expect(sealed.map((s) => s.length)).toEqual(plains.map((p) => p.length + 28))
      for (const [i, plain] of plains.entries()) {
        const identity = identities[i] as Buffer
        expect(openByNode(cipher, secret, sealed[i] as Buffer, identity).equals(plain)).toBe(true)
        expect((await addon.open(cipher, secret, sealByNode(cipher, secret, plain, identity), identity)).equals(plain)).toBe(true)
      }
    }
  })

  it('take identities and secrets of any length that they take', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 1),
        fc.uint8Array({ maxLength: 100 }),
        fc.uint8Array({ maxLength: 64 }),
        fc.uint8Array({ maxLength: 500 }),
        async (cipher, secret, identity, plain) => {
          const [sealed] = await addon.sealMany(cipher, secret, [plain], [identity])
          expect(openByNode(cipher, secret, sealed as Buffer, identity)).toEqual(Buffer.from(plain))
          expect(await addon.open(cipher, secret, sealed as Buffer, identity)).toEqual(Buffer.from(plain))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('never use a nonce twice', async () => {
    const plains = Array.from({ length: 500 }, () => Buffer.alloc(0))
    const sealed = await addon.sealMany(
      0,
      noise(32),
      plains,
      plains.map(() => noise(16)),
    )
    expect(new Set(sealed.map((s) => s.toString('hex', 0, 12))).size).toBe(500)
  })

  it('refuse every changed bit of nonce, text, tag and identity with a code of its own', async () => {
    const [secret, identity, plain] = [noise(32), noise(16, 2), noise(100, 3)]
    for (const cipher of [0, 1]) {
      const sealed = sealByNode(cipher, secret, plain, identity)
      for (let at = 0; at < sealed.length; at++) {
        const bad = Buffer.from(sealed)
        bad[at] = (bad[at] as number) ^ (1 << (at % 8))
        await expect(addon.open(cipher, secret, bad, identity), `byte ${at}`).rejects.toMatchObject({ code: 'TAG_MISMATCH' })
      }
      await expect(addon.open(cipher, secret, sealed, noise(16, 9))).rejects.toMatchObject({ code: 'TAG_MISMATCH' })
      await expect(addon.open(cipher, noise(32, 9), sealed, identity)).rejects.toMatchObject({ code: 'TAG_MISMATCH' })
      await expect(addon.open(1 - cipher, secret, sealed, identity)).rejects.toMatchObject({ code: 'TAG_MISMATCH' })
    }
  })

  it('do not see what the caller does to its arrays after the call', async () => {
    const secret = noise(32)
    const plains = Array.from({ length: 100 }, (_, i) => noise(3000, i))
    const identities = plains.map((_, i) => noise(16, i))
    const [keptPlains, keptIdentities] = [[...plains], [...identities]]
    const running = addon.sealMany(0, secret, plains, identities)
    plains.fill(Buffer.alloc(1))
    identities.length = 0
    for (let i = 0; i < 50; i++) Buffer.allocUnsafeSlow(1 << 20).fill(i)
    const sealed = await running
    for (const [i, plain] of keptPlains.entries())
      expect(openByNode(0, secret, sealed[i] as Buffer, keptIdentities[i] as Buffer).equals(plain)).toBe(true)
  })

  it('use the elements that were there when they were looked at', async () => {
    const plains: Buffer[] = [noise(10)]
    let looks = 0
    Object.defineProperty(plains, 1, { get: () => noise(2000, ++looks) })
    const sealed = await addon.sealMany(0, noise(32), plains, [noise(16), noise(16)])
    expect(looks).toBe(1)
    expect(openByNode(0, noise(32), sealed[1] as Buffer, noise(16)).equals(noise(2000, 1))).toBe(true)
  })

  it('do a hundred jobs at once', async () => {
    const secret = noise(32)
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const plain = noise(i * 101, i)
        const [sealed] = await addon.sealMany(i % 2, secret, [plain], [noise(16, i)])
        expect((await addon.open(i % 2, secret, sealed as Buffer, noise(16, i))).equals(plain)).toBe(true)
      }),
    )
  })

  it('refuse wrong arguments and go on working', async () => {
    const [secret, plain, identity] = [noise(32), noise(40), noise(16)]
    for (const cipher of [2, -1, 'x', undefined, null]) {
      expect(() => addon.sealMany(cipher as number, secret, [plain], [identity])).toThrow(TypeError)
      expect(() => addon.open(cipher as number, secret, plain, identity)).toThrow(TypeError)
    }
    for (const bad of notBytes) {
      expect(() => addon.sealMany(0, wrong(bad), [plain], [identity])).toThrow(TypeError)
      expect(() => addon.sealMany(0, secret, [plain, wrong(bad)], [identity, identity])).toThrow(TypeError)
      expect(() => addon.sealMany(0, secret, [plain], [wrong(bad)])).toThrow(TypeError)
      expect(() => addon.sealMany(0, secret, wrong(bad) as unknown as Buffer[], [identity])).toThrow(TypeError)
      expect(() => addon.open(0, wrong(bad), plain, identity)).toThrow(TypeError)
      expect(() => addon.open(0, secret, wrong(bad), identity)).toThrow(TypeError)
      expect(() => addon.open(0, secret, plain, wrong(bad))).toThrow(TypeError)
    }
    expect(() => addon.sealMany(0, secret, [plain], [])).toThrow(TypeError)
    expect(() => addon.sealMany(0, secret, [plain], [Buffer.alloc(65)])).toThrow(RangeError)
    expect(() => addon.open(0, secret, Buffer.alloc(27), identity)).toThrow(RangeError)
    expect(() => addon.open(0, secret, Buffer.alloc(0), identity)).toThrow(RangeError)
    expect(() => addon.open(0, secret, plain, Buffer.alloc(65))).toThrow(RangeError)
    expect(() => (addon.open as (...a: unknown[]) => void)(0)).toThrow(TypeError)
    expect(() => (addon.sealMany as (...a: unknown[]) => void)()).toThrow(TypeError)
    expect(await addon.sealMany(0, secret, [], [])).toEqual([])
  })
})

describeAddon('openFile', (addon) => {
  const secret = noise(32)
  const identity = noise(16)

  async function withFile<T>(bytes: Buffer, work: (fd: number) => Promise<T>): Promise<T> {
    const folder = mkdtempSync(join(tmpdir(), 'kura-test-'))
    writeFileSync(join(folder, 'pack'), bytes)
    const fd = openSync(join(folder, 'pack'), 'r')
    try {
      return await work(fd)
    } finally {
      closeSync(fd)
      rmSync(folder, { recursive: true })
    }
  }

  it('opens a range of a file as open does its bytes, around every piece it reads', async () => {
    const pieceBytes = 128 << 10
    for (const cipher of [0, 1])
      for (const size of [0, 1, pieceBytes - 1, pieceBytes, pieceBytes + 1, 3 * pieceBytes + 17]) {
        const plain = noise(size, size)
        const sealed = sealByNode(cipher, secret, plain, identity)
        const file = Buffer.concat([noise(100), sealed, noise(50)])
        const opened = await withFile(file, (fd) => addon.openFile(cipher, secret, fd, 100, sealed.length, identity))
        expect(opened.equals(plain)).toBe(true)
      }
  })

  it('says whether the bytes are wrong, too few, or cannot be read', async () => {
    const sealed = sealByNode(0, secret, noise(300_000), identity)
    const flipped = Buffer.from(sealed)
    flipped.writeUInt8(flipped.readUInt8(200_000) ^ 1, 200_000)
    const codeOf = (bytes: Buffer) =>
      withFile(bytes, (fd) => addon.openFile(0, secret, fd, 0, sealed.length, identity)).then(
        () => 'opened',
        (error: { code?: string }) => error.code,
      )
    expect(await codeOf(sealed)).toBe('opened')
    expect(await codeOf(flipped)).toBe('TAG_MISMATCH')
    expect(await codeOf(sealed.subarray(0, -1))).toBe('SHORT_READ')
    const folder = openSync(tmpdir(), 'r')
    await expect(addon.openFile(0, secret, folder, 0, 100, identity)).rejects.toMatchObject({ code: 'READ_FAILED' })
    closeSync(folder)
  })

  it('refuses arguments that it cannot use', () => {
    for (const length of [27, -1, 2 ** 31]) expect(() => addon.openFile(0, secret, 0, 0, length, identity)).toThrow(TypeError)
    expect(() => addon.openFile(2, secret, 0, 0, 100, identity)).toThrow(TypeError)
    expect(() => addon.openFile(0, secret, 0, -1, 100, identity)).toThrow(TypeError)
    expect(() => addon.openFile(0, secret, 0, 0, 100, noise(65))).toThrow(RangeError)
    for (const bad of notBytes) expect(() => addon.openFile(0, wrong(bad), 0, 0, 100, identity)).toThrow(TypeError)
  })
})
