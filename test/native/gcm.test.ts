import { createCipheriv, createHmac } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { describeAddon, noise } from './addon.ts'

const secret = noise(32)
const identity = noise(16, 2)

/** What Node's own OpenSSL makes of it. */
function sealed(plain: Uint8Array, nonce: Uint8Array, aad: Uint8Array = identity): Buffer {
  const key = createHmac('sha256', secret).update(aad).digest()
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 })
  cipher.setAAD(aad)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

describeAddon('AES-256-GCM on every code path', (addon) => {
  const paths = addon.cpus ?? []
  const before = addon.cpu
  afterEach(() => void addon.useCpu(before))

  it.each(paths)('makes and opens what OpenSSL does, for every length around its steps (%s)', async (path) => {
    addon.useCpu(path)
    const whole = noise(70_000, 3)
    const sizes = [...Array(1060).keys(), 4095, 4096, 65_521, 65_536, 65_551, 70_000]
    const plains = sizes.map((size) => whole.subarray(0, size))
    const made = await addon.sealMany(
      0,
      secret,
      plains,
      plains.map(() => identity),
    )
    for (const [i, plain] of plains.entries()) {
      const expected = sealed(plain, (made[i] as Buffer).subarray(0, 12))
      expect(expected.equals(made[i] as Buffer), `sealing ${plain.length} bytes`).toBe(true)
      expect((await addon.open(0, secret, expected, identity)).equals(plain), `opening ${plain.length} bytes`).toBe(true)
    }
  })

  it.each(paths)('authenticates identities of every length (%s)', async (path) => {
    addon.useCpu(path)
    const plain = noise(333, 4)
    for (let length = 0; length <= 64; length++) {
      const aad = noise(length, length)
      expect((await addon.open(0, secret, sealed(plain, noise(12, length), aad), aad)).equals(plain), `${length} bytes`).toBe(true)
    }
  })

  it.each(paths)('refuses every changed byte of a long content (%s)', async (path) => {
    addon.useCpu(path)
    const good = sealed(noise(600, 5), noise(12, 6))
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] as number) ^ (1 << (at % 8))
      await expect(addon.open(0, secret, bad, identity), `byte ${at}`).rejects.toMatchObject({ code: 'TAG_MISMATCH' })
    }
  })

  it('opens into memory that is given, and refuses memory of another length', async () => {
    const plain = noise(5000, 7)
    const good = sealed(plain, noise(12, 8))
    const into = Buffer.alloc(5000)
    expect(await addon.open(0, secret, good, identity, into)).toBe(into)
    expect(into.equals(plain)).toBe(true)
    for (const size of [0, 4999, 5001])
      expect(() => addon.open(0, secret, good, identity, Buffer.alloc(size)), `${size} bytes`).toThrow(RangeError)
    for (const bad of [null, 7, 'text', new ArrayBuffer(5000)])
      expect(() => addon.open(0, secret, good, identity, bad as unknown as Uint8Array)).toThrow(TypeError)
    expect((await addon.open(0, secret, good, identity, undefined)).equals(plain)).toBe(true)
  })
})
