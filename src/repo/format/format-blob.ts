import { decodeBase64 } from '#base/base64.ts'
import { goJson, goJsonIndented, type JsonValue, parseLosslessJson } from '#base/go-json.ts'
import { asObject, type JsonObject, memberOf, stringOf } from '#base/json-read.ts'
import { openAesFrame, sealAesFrame } from '#repo/crypto/aes-frame.ts'
import { checkCipherName } from '#repo/crypto/cipher.ts'
import { checkEccName, isEccActive } from '#repo/crypto/ecc-layout.ts'
import { checkHashName } from '#repo/crypto/hash.ts'
import { derivePasswordKey, hkdf } from '#repo/crypto/keys.ts'
import { CorruptFormatError, UnsupportedFormatError, WrongPasswordError } from './errors.ts'
import { innerJson, readInner } from './inner-json.ts'
import type { RepositoryFormat } from './repository-format.ts'

/** Name of the blob that makes a storage a repository. */
export const formatBlobId = 'kopia.repository'
/** Longest format blob, 65000 bytes less the checksum of embedded copies (spec 01, 1.3). */
export const maxFormatBlobBytes = 64968

const formatEncryption = 'AES256_GCM'
const supportedVersions = { min: 1, max: 3 }

/** The outer part of `kopia.repository`, in clear (spec 01, 1.3). */
export interface FormatBlob {
  readonly tool: string
  readonly buildVersion: string
  readonly buildInfo: string
  readonly uniqueId: Buffer
  readonly keyAlgorithm: string
  readonly encryptedBlockFormat: Buffer
  /** Members that this program does not know; kept when the blob is written again. */
  readonly unknown: JsonObject
}

/** An opened format blob. */
export interface OpenedFormat {
  readonly format: RepositoryFormat
  readonly formatKey: Buffer
  readonly outer: FormatBlob
}

const outerKnown = /^(tool|buildversion|buildinfo|uniqueid|keyalgo|encryption|encryptedblockformat|version|blockformat)$/i

/** Parses `kopia.repository`. Throws CorruptFormatError, UnsupportedFormatError. Source: spec 01, 1.3. */
export function parseFormatBlob(bytes: Uint8Array): FormatBlob {
  if (bytes.length > maxFormatBlobBytes) {
    throw new CorruptFormatError(`invalid format blob: ${bytes.length} bytes; at most ${maxFormatBlobBytes} are allowed`)
  }
  const what = 'the format blob'
  try {
    const json = asObject(parseLosslessJson(Buffer.from(bytes).toString('utf8')), what)
    const encryption = stringOf(json, 'encryption', what)
    if (encryption !== formatEncryption) {
      throw new UnsupportedFormatError(`the format blob has encryption ${JSON.stringify(encryption)}; only ${formatEncryption} is known`)
    }
    const sealed = memberOf(json, 'encryptedBlockFormat')
    if (typeof sealed !== 'string' || sealed === '') throw new UnsupportedFormatError('the format blob has no encrypted configuration')
    return {
      tool: stringOf(json, 'tool', what),
      buildVersion: stringOf(json, 'buildVersion', what),
      buildInfo: stringOf(json, 'buildInfo', what),
      uniqueId: decodeBase64(stringOf(json, 'uniqueID', what)),
      keyAlgorithm: stringOf(json, 'keyAlgo', what),
      encryptedBlockFormat: decodeBase64(sealed),
      unknown: Object.fromEntries(Object.entries(json).filter(([k]) => !outerKnown.test(k))),
    }
  } catch (cause) {
    if (cause instanceof UnsupportedFormatError) throw cause
    throw new CorruptFormatError('invalid format blob: kopia.repository is not the JSON it should be', { cause })
  }
}

/** Encrypts with the format key: the frame of `kopia.repository` and `kopia.blobcfg` (spec 01, 1.5). */
export function sealWithFormatKey(formatKey: Uint8Array, uniqueId: Uint8Array, plain: Uint8Array, nonce?: Uint8Array): Buffer {
  return sealAesFrame(hkdf(formatKey, uniqueId, 'AES', 32), hkdf(formatKey, uniqueId, 'CHECKSUM', 32), plain, nonce)
}

/** Inverse of sealWithFormatKey. Throws DecryptionError. */
export function openWithFormatKey(formatKey: Uint8Array, uniqueId: Uint8Array, frame: Uint8Array): Buffer {
  return openAesFrame(hkdf(formatKey, uniqueId, 'AES', 32), hkdf(formatKey, uniqueId, 'CHECKSUM', 32), frame)
}

/** Decrypts and checks the inner configuration. Throws WrongPasswordError, UnsupportedFormatError, UnknownAlgorithmError. */
export function decodeInner(outer: FormatBlob, formatKey: Uint8Array): RepositoryFormat {
  let format: RepositoryFormat
  try {
    const plain = openWithFormatKey(formatKey, outer.uniqueId, outer.encryptedBlockFormat)
    const json = asObject(parseLosslessJson(plain.toString('utf8')), 'the repository configuration')
    format = readInner(asObject(memberOf(json, 'format') ?? null, 'the repository configuration'), outer.uniqueId)
  } catch (cause) {
    throw new WrongPasswordError({ cause })
  }
  checkReadable(format)
  return format
}

/** Throws unless this program can read a repository of this format (spec 01, 1.6). */
export function checkReadable(format: RepositoryFormat): void {
  const { min, max } = supportedVersions
  if (!Number.isInteger(format.version) || format.version < min || format.version > max) {
    throw new UnsupportedFormatError(`repository format version ${format.version} is not supported; versions ${min} to ${max} are`)
  }
  const index: number = format.indexVersion
  if (index !== 1 && index !== 2) throw new UnsupportedFormatError(`index version ${index} is not supported; versions 1 and 2 are`)
  checkHashName(format.hash)
  checkCipherName(format.encryption)
  if (isEccActive(format)) checkEccName(format.ecc)
}

/** Parses, derives the format key from the password (slow) and decrypts. Throws the errors of parseFormatBlob and decodeInner. */
export async function openFormatBlob(bytes: Uint8Array, password: string): Promise<OpenedFormat> {
  const outer = parseFormatBlob(bytes)
  const formatKey = await derivePasswordKey(outer.keyAlgorithm, password, outer.uniqueId)
  return { format: decodeInner(outer, formatKey), formatKey, outer }
}

/** The bytes of `kopia.repository` for a format, with a new nonce; tool, build and unknown members are those of `outer`. `nonce` is for
 *  tests only. Throws CorruptFormatError when the result is too long. Source: spec 01, 1.3, 1.5. */
export function sealFormatBlob(
  format: RepositoryFormat,
  outer: Omit<FormatBlob, 'encryptedBlockFormat'>,
  formatKey: Uint8Array,
  nonce?: Uint8Array,
): Buffer {
  const plain = Buffer.from(goJson({ format: innerJson(format) }))
  const bytes = Buffer.from(
    `${goJsonIndented({
      tool: outer.tool,
      buildVersion: outer.buildVersion,
      buildInfo: outer.buildInfo,
      uniqueID: outer.uniqueId.toString('base64'),
      keyAlgo: outer.keyAlgorithm,
      encryption: formatEncryption,
      encryptedBlockFormat: sealWithFormatKey(formatKey, outer.uniqueId, plain, nonce).toString('base64'),
      ...(outer.unknown as Record<string, JsonValue>),
    })}\n`,
  )
  if (bytes.length > maxFormatBlobBytes) throw new CorruptFormatError(`the format blob would have ${bytes.length} bytes, too many`)
  return bytes
}
