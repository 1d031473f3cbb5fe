import { createPrivateKey, type KeyObject } from 'node:crypto'
import { messageOf } from '#base/errors.ts'
import { CredentialsError } from '../errors.ts'

const pkcs8 = /-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----/
const cipherBlockBytes = 8
const noCipher = 'none'

/** A private key in a form that the ssh client reads: PKCS#8 (RSA, EC, Ed25519) is written anew, all else is left as it is. An encrypted
 *  PKCS#8 key is opened with `passphrase`. Throws CredentialsError, whose message starts with `name`. Source: RFC 5208, RFC 8410. */
export function readableKey(key: string | Buffer, passphrase: string, name: string): string | Buffer {
  const text = key.toString()
  if (!pkcs8.test(text)) return key
  let parsed: KeyObject
  try {
    parsed = createPrivateKey({ key: text, ...(passphrase === '' ? {} : { passphrase }) })
  } catch (error) {
    if (/passphrase|interrupted or cancelled|bad decrypt/i.test(messageOf(error))) throw passphraseError(name, passphrase, error)
    throw new CredentialsError(`${name} cannot be used: ${messageOf(error)}`, { cause: error })
  }
  if (parsed.asymmetricKeyType === 'rsa') return parsed.export({ type: 'pkcs1', format: 'pem' })
  if (parsed.asymmetricKeyType === 'ec') return parsed.export({ type: 'sec1', format: 'pem' })
  if (parsed.asymmetricKeyType === 'ed25519') return opensshEd25519(parsed)
  throw new CredentialsError(`${name} is a ${parsed.asymmetricKeyType} key, which cannot be used. Make one with "ssh-keygen -t ed25519".`)
}

/** What is wrong with a protected key, and what to do. */
export const passphraseError = (name: string, passphrase: string, cause: unknown): CredentialsError =>
  passphrase === ''
    ? new CredentialsError(
        `${name} is protected by a passphrase. Set KURA_SFTP_KEY_PASSPHRASE, or use --external, which asks the ssh agent.`,
        { cause },
      )
    : new CredentialsError(`${name} does not open with the passphrase in KURA_SFTP_KEY_PASSPHRASE`, { cause })

/** The `openssh-key-v1` form, unencrypted (OpenSSH's PROTOCOL.key). */
function opensshEd25519(key: KeyObject): string {
  const { d = '', x = '' } = key.export({ format: 'jwk' })
  const publicKey = Buffer.from(x, 'base64url')
  const secret = Buffer.concat([Buffer.from(d, 'base64url'), publicKey])
  const type = Buffer.from('ssh-ed25519')
  // The two check numbers only have to agree.
  const pair = Buffer.concat([Buffer.alloc(8), field(type), field(publicKey), field(secret), field(Buffer.alloc(0))])
  const padding = Buffer.from(Array.from({ length: -pair.length & (cipherBlockBytes - 1) }, (_, i) => i + 1))
  const body = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[noCipher, noCipher, ''].map((text) => field(Buffer.from(text))),
    Buffer.from([0, 0, 0, 1]),
    field(Buffer.concat([field(type), field(publicKey)])),
    field(Buffer.concat([pair, padding])),
  ])
  const lines = body.toString('base64').match(/.{1,70}/g) ?? []
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`
}

function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
