/** Keyed hash of content and blob names (spec 01, 1.16). */
export interface Hasher {
  readonly name: string
  /** Bytes of a digest as the repository keeps it (after truncation). */
  readonly sizeBytes: number
  /** Digest of the concatenation of `parts`. */
  digest(...parts: readonly Uint8Array[]): Buffer
  /** Digests of many messages, concatenated in order (`sizeBytes` each); runs off the main thread where the addon is there. */
  digestMany(messages: readonly Uint8Array[]): Promise<Buffer>
}

/** Bytes of the nonce in front of every ciphertext, and of the tag behind it (spec 01, 1.17). */
export const nonceBytes = 12
export const tagBytes = 16

/** Authenticated encryption keyed by an identity (spec 01, 1.17–1.20), the ECC layer included when it is on. */
export interface Cipher {
  readonly name: string
  /** Nonce and tag, without ECC. */
  readonly overheadBytes: number
  seal(plain: Uint8Array, identity: Uint8Array): Buffer
  /** Throws DecryptionError. */
  open(sealed: Uint8Array, identity: Uint8Array): Buffer
  sealMany(plains: readonly Uint8Array[], identities: readonly Uint8Array[]): Promise<Buffer[]>
  /** Overwrites each plaintext by its ciphertext and gives nonce and tag of each, one after another: sealed is nonce, ciphertext, tag.
   *  Identities are those of contents (16 bytes). Absent where that cannot be done: no addon, or error correction around the bytes. */
  readonly sealInPlace?: ((plains: readonly Uint8Array[], identities: readonly Uint8Array[]) => Promise<Buffer>) | undefined
  /** open on another thread where that pays. With `memory` the result may lie in what that returns, which must be as long as it is asked
   *  for; its bytes are rubbish when this rejects. */
  openAsync(sealed: Uint8Array, identity: Uint8Array, memory?: (sizeBytes: number) => Buffer): Promise<Buffer>
  /** open for many that lie in one piece of memory: start and length of each in `ranges`, identities of 16 bytes one after another. What does
   *  not decrypt is undefined: opening it by itself tells why. Absent where that would be no faster. */
  readonly openRanges?: ((whole: Uint8Array, ranges: Uint32Array, identities: Uint8Array) => Promise<(Buffer | undefined)[]>) | undefined
  /** openAsync for a range of an open file, without the sealed bytes passing through JavaScript. Absent where that cannot be done: no
   *  addon, or error correction around the bytes. Rejects for whatever is wrong; reading the bytes and opening them tells what. */
  readonly openFile?:
    | ((fd: number, offset: number, length: number, identity: Uint8Array, memory?: (sizeBytes: number) => Buffer) => Promise<Buffer>)
    | undefined
}
