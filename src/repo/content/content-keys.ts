import { nativeAddon } from '#base/native.ts'

/** Binary keys (contentKey) of IDs without a prefix that stand in `text` as hexadecimal digits, one after another. `places`: start and end of
 *  each. Undefined when there are none, when they differ in length, or when one is something else. */
export function contentKeysAt(text: Uint8Array, places: Uint32Array): Buffer | undefined {
  const count = places.length >> 1
  const digits = (places[1] as number) - (places[0] as number)
  if (count === 0 || digits < 2 || digits > 64 || digits % 2 !== 0) return undefined
  const keys = Buffer.allocUnsafe(count * (1 + digits / 2))
  const addon = nativeAddon()
  return (addon ? addon.hexKeys(text, places, keys) : keysAtTwin(text, places, digits, keys)) ? keys : undefined
}

function keysAtTwin(text: Uint8Array, places: Uint32Array, digits: number, keys: Buffer): boolean {
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength)
  for (let i = 0, at = 0; i < places.length; i += 2, at += 1 + digits / 2) {
    const id = bytes.toString('latin1', places[i], places[i + 1])
    if (id.length !== digits || !/^[0-9a-f]+$/.test(id)) return false
    keys[at] = 0
    keys.write(id, at + 1, 'hex')
  }
  return true
}
