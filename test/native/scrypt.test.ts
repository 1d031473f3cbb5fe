import { pbkdf2Sync, scryptSync } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { NativeAddon } from '#base/native-addon.ts'
import { describeAddon } from './addon.ts'

/** scrypt (RFC 7914, section 6) with p = 1 around the addon's mixing. */
async function scryptHex(addon: NativeAddon, password: string, salt: string, n: number, r: number, bytes: number): Promise<string> {
  const state = pbkdf2Sync(password, salt, 1, 128 * r, 'sha256')
  await addon.scryptMix(state, n)
  return pbkdf2Sync(password, state, 1, bytes, 'sha256').toString('hex')
}

describeAddon('the mixing of scrypt', (addon) => {
  it('gives the vector of RFC 7914, section 10', async () => {
    const state = Buffer.from(
      'f7ce0b653d2d72a4108cf5abe912ffdd777616dbbb27a70e8204f3ae2d0f6fad89f68f4811d1e87bcc3bd7400a9ffd29094f0184639574f39ae5a1315217bcd7' +
        '894991447213bb226c25b54da86370fbcd984380374666bb8ffcb5bf40c254b067d27c51ce4ad5fed829c90b505a571b7f4d1cad6a523cda770e67bceaaf7e89',
      'hex',
    )
    await addon.scryptMix(state, 16)
    expect(state.toString('hex')).toBe(
      '79ccc193629debca047f0b70604bf6b62ce3dd4a9626e355fafc6198e6ea2b46d58413673b99b029d665c357601fb426a0b2f4bba200ee9f0a43d19b571a9c71' +
        'ef1142e65d5a266fddca832ce59faa7cac0b9cf1be2bffca300d01ee387619c4ae12fd4438f203a0e4e1c47ec314861f4e9087cb33396a6873e8f9d2539a4b8e',
    )
  })

  it('gives the vectors of RFC 7914, section 12', async () => {
    expect(await scryptHex(addon, '', '', 16, 1, 64)).toBe(
      '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906',
    )
    expect(await scryptHex(addon, 'pleaseletmein', 'SodiumChloride', 16384, 8, 64)).toBe(
      '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
    )
  })

  it('gives the same as its twin for all sizes', async () => {
    const sizes = fc.record({
      password: fc.string(),
      salt: fc.string(),
      log: fc.integer({ min: 1, max: 10 }),
      r: fc.integer({ min: 1, max: 16 }),
    })
    await fc.assert(
      fc.asyncProperty(sizes, async ({ password, salt, log, r }) => {
        const twin = scryptSync(password, salt, 32, { N: 2 ** log, r, p: 1 })
        // OpenSSL refuses N >= 2^(16 r), which these sizes do not reach.
        expect(await scryptHex(addon, password, salt, 2 ** log, r, 32)).toBe(twin.toString('hex'))
      }),
      { numRuns: 50 },
    )
  })

  it('refuses what is no state and no power of two', () => {
    const mix = (state: Uint8Array, n: number) => () => addon.scryptMix(state, n)
    for (const length of [0, 64, 127, 192, 1 << 17]) expect(mix(new Uint8Array(length), 16)).toThrow(RangeError)
    for (const n of [0, 1, 3, 2 ** 21, -1]) expect(mix(new Uint8Array(128), n)).toThrow(RangeError)
    expect(mix(null as never, 16)).toThrow(TypeError)
  })
})
