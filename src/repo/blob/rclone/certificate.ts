import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

const validDays = 365

/** A self-signed certificate for 127.0.0.1 and its key, PEM; `der` is what fingerprints are made of. Source: RFC 5280, 4.1. */
export function loopbackCertificate(nowMs = Date.now()): { readonly certificate: string; readonly key: string; readonly der: Buffer } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = sequence(set(sequence(oid('550403'), utf8('rclone of Kura'))))
  const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
  // A clock that is a little behind must not make it a certificate of the future.
  const from = new Date(nowMs - 86_400_000)
  const until = new Date(nowMs + validDays * 86_400_000)
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(15)])),
    ecdsaWithSha256,
    name,
    sequence(utcTime(from), utcTime(until)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions())),
  )
  const signature = sign('sha256', body, privateKey)
  const certificate = sequence(body, ecdsaWithSha256, bits(signature))
  const pem = `-----BEGIN CERTIFICATE-----\n${(certificate.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`
  return { certificate: pem, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, der: certificate }
}

function extensions(): Buffer[] {
  const yes = der(0x01, Buffer.from([0xff]))
  const extension = (id: string, value: Buffer, critical = false) => sequence(oid(id), ...(critical ? [yes] : []), der(0x04, value))
  return [
    extension('551d13', sequence(yes), true),
    // digitalSignature, keyCertSign
    extension('551d0f', der(0x03, Buffer.from([2, 0x84])), true),
    extension('551d25', sequence(oid('2b06010505070301'))),
    extension('551d11', sequence(der(0x87, Buffer.from([127, 0, 0, 1])))),
  ]
}

/** Tag, length and value of the distinguished encoding rules (X.690). */
function der(tag: number, ...values: readonly Buffer[]): Buffer {
  const value = Buffer.concat(values)
  const length: number[] = []
  for (let rest = value.length; rest > 0; rest >>= 8) length.unshift(rest & 0xff)
  const head = value.length < 0x80 ? [tag, value.length] : [tag, 0x80 | length.length, ...length]
  return Buffer.concat([Buffer.from(head), value])
}

const sequence = (...values: Buffer[]): Buffer => der(0x30, ...values)
const set = (value: Buffer): Buffer => der(0x31, value)
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'))
const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text))
const bits = (value: Buffer): Buffer => der(0x03, Buffer.from([0]), value)
const utcTime = (at: Date): Buffer => der(0x17, Buffer.from(`${at.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`))
