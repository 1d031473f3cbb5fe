import { readFileSync } from 'node:fs'
import { sharedPath } from '../../support/shared.ts'

export interface CryptoVectors {
  kdf: { algo: string; password: string; salt: string; key: string }[]
  keys: Record<string, string>
  hash: { hash: string; key: string; data: string; out: string }[]
  cipher: { encryption: string; masterKey: string; id: string; nonce: string; plain: string; out: string }[]
  wholeBlob: {
    hash: string
    encryption: string
    secret: string
    masterKey: string
    nonce: string
    payload: string
    prefix: string
    suffix: string
    blobID: string
    iv: string
    bytes: string
  }[]
}

export interface FormatBlobVectors {
  blobs: {
    name: string
    password: string
    'kopia.repository': string
    'kopia.blobcfg': string
    formatKey: string
    inner: string
    blobcfg: string
    maintenanceKey: string
    'kopia.maintenance'?: string
    maintenance?: string
  }[]
}

const read = (name: string): unknown => JSON.parse(readFileSync(sharedPath('spec/vectors', name), 'utf8'))

export const cryptoVectors = read('crypto.json') as CryptoVectors
export const formatBlobVectors = read('format-blobs.json') as FormatBlobVectors
export const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** `n` bytes a, a+1, a+2 … (mod 256), as the spec's seq(a, n). */
export const seq = (a: number, n: number): Buffer => Buffer.from(Array.from({ length: n }, (_, i) => (a + i) & 0xff))
