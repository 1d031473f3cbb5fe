import fc from 'fast-check'
import { expect, it } from 'vitest'
import { blake3Key, createTwinHasher, hashNames } from '#repo/crypto/hash.ts'
import { describeAddon, largeLengths, lengths, noise } from './addon.ts'

/** The key that the addon gets for a secret. */
const keyOf = (name: string, secret: Uint8Array) => (name.startsWith('BLAKE3') ? blake3Key(secret) : secret)

const wrong = (value: unknown) => value as Uint8Array

describeAddon('digest and digestMany', (addon) => {
  it('pieces of one piece of memory have the digests that they have by themselves', async () => {
    const whole = noise(70_000)
    const pieces = [0, 1, 128, 129, 65_537, 0, 3000, 3000, 70_000].map((length, i) => [Math.min(i * 333, 70_000 - length), length] as const)
    for (const name of addon.digests) {
      const key = noise(32)
      const sizeBytes = name.endsWith('-128') ? 16 : name.endsWith('224') ? 28 : 32
      const [out, wanted] = [Buffer.alloc(sizeBytes * pieces.length), Buffer.alloc(sizeBytes * pieces.length)]
      await addon.digestRanges(name, key, whole, Uint32Array.from(pieces.flat()), out)
      const messages = pieces.map(([start, length]) => whole.subarray(start, start + length))
      await addon.digestMany(name, key, messages, wanted)
      expect(out.equals(wanted)).toBe(true)
    }
    const call = (...pair: number[]) => addon.digestRanges('BLAKE2B-256', noise(32), whole, Uint32Array.from(pair), Buffer.alloc(32))
    for (const bad of [
      [70_001, 0],
      [0, 70_001],
      [69_999, 2],
      [0, 1, 0, 1],
    ])
      expect(() => call(...bad)).toThrow(RangeError)
    expect(() => call(1)).toThrow(TypeError)
  })

  it('know every hash of the format', () => {
    expect([...addon.digests].sort()).toEqual([...hashNames].sort())
  })

  it('agree with the twin on BLAKE3 around every chunk and group of lanes, on every code path, alone and together', async () => {
    const around = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 100].flatMap((n) => [n * 1024 - 1, n * 1024, n * 1024 + 1])
    const messages = [...around.filter((n) => n >= 0), 64, 65, 960, 1_050_001].map((n) => noise(n, n + 1))
    const [name, key] = ['BLAKE3-256', noise(32)]
    const twin = await createTwinHasher(name, key)
    const wanted = messages.map((m) => twin.digest(m))
    for (const cpu of addon.cpus) {
      const before = addon.useCpu(cpu)
      const out = Buffer.alloc(32 * messages.length)
      await addon.digestMany(name, key, messages, out)
      expect(out.equals(Buffer.concat(wanted)), cpu).toBe(true)
      for (const [i, message] of messages.entries()) {
        const one = Buffer.alloc(32)
        addon.digest(name, key, message, one)
        expect(one.equals(wanted[i] as Buffer), `${cpu} ${message.length}`).toBe(true)
      }
      addon.useCpu(before)
    }
    expect(() => addon.digest(name, noise(31), noise(5), Buffer.alloc(32))).toThrow(RangeError)
  })

  it('agree with the twin for every hash and length', async () => {
    for (const name of addon.digests) {
      for (const keyBytes of [16, 32]) {
        const key = noise(keyBytes, 7)
        const twin = await createTwinHasher(name, key)
        for (const length of lengths) {
          const out = Buffer.alloc(twin.sizeBytes)
          const message = noise(length, length + 1)
          addon.digest(name, keyOf(name, key), message, out)
          expect(out.toString('hex'), `${name} ${length}`).toBe(twin.digest(message).toString('hex'))
        }
      }
    }
  })

  it('agree with the twin on megabytes', async () => {
    for (const name of ['BLAKE2B-256-128', 'BLAKE2S-256', 'BLAKE3-256', 'HMAC-SHA3-256']) {
      const key = noise(32)
      const twin = await createTwinHasher(name, key)
      const messages = largeLengths.map((n) => noise(n, n))
      const out = Buffer.alloc(twin.sizeBytes * messages.length)
      await addon.digestMany(name, key, messages, out)
      expect(out.equals(Buffer.concat(messages.map((m) => twin.digest(m))))).toBe(true)
    }
  })

  it('agree with the twin for any key and messages', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...addon.digests),
        fc.uint8Array({ maxLength: 32 }),
        fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 20 }),
        async (name, key, messages) => {
          fc.pre(name !== 'BLAKE2S-128' || key.length > 0)
          const twin = await createTwinHasher(name, Buffer.from(key))
          const out = Buffer.alloc(twin.sizeBytes * messages.length)
          await addon.digestMany(name, keyOf(name, key), messages, out)
          expect(out).toEqual(Buffer.concat(messages.map((m) => twin.digest(m))))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('agree with the twin on every code path of the CPU, whatever lengths go together', async () => {
    const sets = [
      lengths,
      [...lengths].reverse(),
      largeLengths,
      [4 << 20, 1, 0, 128, 64, 1 << 20],
      [0],
      [0, 0, 0],
      ...Array.from({ length: 36 }, (_, n) => Array.from({ length: n }, (_, i) => (i * 977 + n * 64) % 3000)),
    ]
    const messages = sets.map((set, s) => set.map((n, i) => noise(n, s * 64 + i + 1)))
    for (const name of ['BLAKE2B-256', 'BLAKE2B-256-128', 'BLAKE2S-128', 'BLAKE2S-256']) {
      const keys = name === 'BLAKE2S-128' ? [noise(32)] : [noise(32), Buffer.alloc(0)]
      for (const key of keys) {
        const twin = await createTwinHasher(name, key)
        for (const [s, batch] of messages.entries()) {
          const wanted = Buffer.concat(batch.map((m) => twin.digest(m)))
          for (const cpu of addon.cpus) {
            const before = addon.useCpu(cpu)
            const out = Buffer.alloc(wanted.length)
            await addon.digestMany(name, key, batch, out)
            addon.useCpu(before)
            expect(out.equals(wanted), `${name} on ${cpu}, set ${s}, key of ${key.length} bytes`).toBe(true)
          }
        }
      }
    }
  })

  it('refuse a code path that the CPU does not have', () => {
    expect(addon.cpus).toContain(addon.cpu)
    expect(() => addon.useCpu('vax')).toThrow(RangeError)
    expect(() => addon.useCpu(7 as unknown as string)).toThrow(TypeError)
  })

  it('leave the bytes behind the digests alone', async () => {
    const out = Buffer.alloc(100, 0xee)
    addon.digest('BLAKE2B-256-128', noise(32), noise(10), out)
    expect(out.subarray(16)).toEqual(Buffer.alloc(84, 0xee))
    out.fill(0xee)
    await addon.digestMany('HMAC-SHA224', noise(32), [noise(1), noise(2)], out)
    expect(out.subarray(56)).toEqual(Buffer.alloc(44, 0xee))
  })

  it('do not see what the caller does to its arrays after the call', async () => {
    const messages = Array.from({ length: 200 }, (_, i) => noise(5000, i))
    const twin = await createTwinHasher('BLAKE2B-256', noise(32))
    const wanted = Buffer.concat(messages.map((m) => twin.digest(m)))
    const out = Buffer.alloc(wanted.length)
    const running = addon.digestMany('BLAKE2B-256', noise(32), messages, out)
    messages.fill(Buffer.alloc(5000))
    messages.length = 0
    for (let i = 0; i < 50; i++) Buffer.allocUnsafeSlow(1 << 20).fill(i)
    await running
    expect(out.equals(wanted)).toBe(true)
  })

  it('do a hundred jobs at once', async () => {
    const key = noise(32)
    const twin = await createTwinHasher('BLAKE2B-256-128', key)
    const jobs = Array.from({ length: 100 }, async (_, i) => {
      const messages = [noise(i * 37, i), noise(i, i + 1)]
      const out = Buffer.alloc(32)
      await addon.digestMany('BLAKE2B-256-128', key, messages, out)
      expect(out).toEqual(Buffer.concat(messages.map((m) => twin.digest(m))))
    })
    await Promise.all(jobs)
  })

  it('refuse what is no name, key, message or output, and go on working', async () => {
    const [key, message, out] = [noise(32), noise(5), Buffer.alloc(32)]
    for (const name of ['MD5', '', 'BLAKE2B-256-128-and-a-name-that-is-too-long', 7, undefined, null, {}])
      expect(() => addon.digest(name as string, key, message, out)).toThrow(TypeError)
    for (const bad of [undefined, null, 'text', 7, {}, [1, 2], new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), new Uint16Array(16)]) {
      expect(() => addon.digest('BLAKE2B-256', wrong(bad), message, out)).toThrow(TypeError)
      expect(() => addon.digest('BLAKE2B-256', key, wrong(bad), out)).toThrow(TypeError)
      expect(() => addon.digest('BLAKE2B-256', key, message, wrong(bad))).toThrow(TypeError)
      expect(() => addon.digestMany('BLAKE2B-256', key, [message, wrong(bad)], Buffer.alloc(64))).toThrow(TypeError)
      expect(() => addon.digestMany('BLAKE2B-256', wrong(bad), [message], Buffer.alloc(64))).toThrow(TypeError)
    }
    expect(() => addon.digest('BLAKE2B-256', key, message, Buffer.alloc(31))).toThrow(RangeError)
    expect(() => addon.digest('BLAKE2B-256', Buffer.alloc(65), message, out)).toThrow(RangeError)
    expect(() => addon.digest('BLAKE2S-256', Buffer.alloc(33), message, out)).toThrow(RangeError)
    expect(() => addon.digestMany('BLAKE2B-256', key, [message, message], Buffer.alloc(63))).toThrow(RangeError)
    expect(() => addon.digestMany('BLAKE2B-256', key, [undefined, message] as unknown as Buffer[], Buffer.alloc(64))).toThrow(TypeError)
    expect(() => addon.digestMany('BLAKE2B-256', key, { length: 1, 0: message } as unknown as Buffer[], Buffer.alloc(64))).toThrow(
      TypeError,
    )
    expect(() => (addon.digest as (...a: unknown[]) => void)()).toThrow(TypeError)
    expect(() => (addon.digestMany as (...a: unknown[]) => void)('BLAKE2B-256')).toThrow(TypeError)
    await addon.digestMany('BLAKE2B-256', key, [], Buffer.alloc(0))
  })

  it('pass on what an element throws when it is looked at', () => {
    const messages = [noise(3)]
    Object.defineProperty(messages, 1, {
      get() {
        throw new Error('not for you')
      },
    })
    expect(() => addon.digestMany('BLAKE2B-256', noise(32), messages, Buffer.alloc(64))).toThrow('not for you')
  })
})
