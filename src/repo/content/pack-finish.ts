import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import type { ContentInfo } from './content-info.ts'
import { buildIndex } from './index/build.ts'
import { encodePostamble, paddingBytes } from './pack-layout.ts'

export interface PackFinisher {
  readonly hasher: Hasher
  readonly cipher: Cipher
  readonly indexVersion: 1 | 2
  readonly random: (sizeBytes: number) => Buffer
}

/** What follows the contents of a full pack: random padding, sealed recovery index, postamble. Throws IndexBuildError.
 *  Source: spec 02, 2.4 and 2.5. */
export function packTail(lengthBytes: number, records: Iterable<ContentInfo>, finisher: PackFinisher): Buffer[] {
  const { hasher, cipher, indexVersion, random } = finisher
  const padding = random(paddingBytes(lengthBytes))
  const [index] = buildIndex(records, indexVersion, { randomSuffix: true, random })
  if (index === undefined) return [padding]
  const iv = hasher.digest(index)
  const sealed = cipher.seal(index, iv)
  return [padding, sealed, encodePostamble({ iv, offset: lengthBytes + padding.length, length: sealed.length })]
}
