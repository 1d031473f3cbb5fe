import { describe } from 'vitest'
import { nativeAddon, whyNoNativeAddon } from '#base/native.ts'
import type { NativeAddon } from '#base/native-addon.ts'

const addon = nativeAddon()

/** Tests of the addon, or a skipped block that says why there is none. */
export function describeAddon(title: string, tests: (addon: NativeAddon) => void): void {
  if (addon) describe(title, () => tests(addon))
  else
    describe.skip(`${title} (no addon: ${whyNoNativeAddon()})`, () => {
      tests({} as NativeAddon)
    })
}

/** Lengths around the blocks of the hashes (64, 128), the ciphers (16), and what is read at once. */
export const lengths: readonly number[] = [
  0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 191, 255, 256, 257, 1000, 4095, 4096, 4097, 65535, 65536, 65537,
]

export const largeLengths: readonly number[] = [(1 << 20) + 3, (4 << 20) - 1, 4 << 20, (4 << 20) + 1]

/** Bytes that look random and are the same every time; a view that does not begin at a round address. */
export function noise(length: number, seed = 1): Buffer {
  const whole = Buffer.allocUnsafeSlow(length + 3)
  let state = (seed * 2654435761) >>> 0 || 1
  for (let i = 0; i < whole.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    whole[i] = state
  }
  return whole.subarray(3)
}
