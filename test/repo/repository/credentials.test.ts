import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { InvalidTokenError, PasswordStoreError } from '#repo/repository/errors.ts'
import {
  deletePassword,
  filePasswordStore,
  type PasswordStore,
  passwordFile,
  readPassword,
  savePassword,
} from '#repo/repository/password-store.ts'
import { decodeToken, encodeToken } from '#repo/repository/token.ts'
import { scratchFolders } from '../../support/scratch.ts'

const scratch = scratchFolders()

describe('the password file', () => {
  test('is base64 without a newline that only the owner can read', async () => {
    const config = join(scratch(), 'repository.config')
    await savePassword(config, 'sample-password')
    expect(await readFile(passwordFile(config), 'utf8')).toBe('c2FtcGxlLXBhc3N3b3Jk')
    expect((await stat(passwordFile(config))).mode & 0o777).toBe(0o600)
    expect(await readPassword(config)).toBe('sample-password')
  })

  test('keeps odd passwords, and may have line breaks', async () => {
    const config = join(scratch(), 'repository.config')
    await savePassword(config, 'päss wörd ☃ "\'\\')
    expect(await readPassword(config)).toBe('päss wörd ☃ "\'\\')
    await writeFile(passwordFile(config), 'c2FtcGxl\r\nLXBhc3N3b3Jk\n')
    expect(await readPassword(config)).toBe('sample-password')
  })

  test('is an error when it is not base64, and nothing when it is missing', async () => {
    const config = join(scratch(), 'repository.config')
    expect(await readPassword(config)).toBeUndefined()
    await deletePassword(config)
    await writeFile(passwordFile(config), 'c2Ft*GxlLXBhc3N3b3Jk')
    await expect(readPassword(config)).rejects.toThrow(PasswordStoreError)
    await deletePassword(config)
    expect(await readPassword(config)).toBeUndefined()
  })

  test('comes after other stores in the list', async () => {
    const config = join(scratch(), 'repository.config')
    const kept = new Map<string, string>()
    const ring = (works: boolean): PasswordStore => ({
      name: 'ring',
      read: async (file) => kept.get(file),
      write: async (file, password) => works && kept.set(file, password) !== undefined,
      delete: async (file) => void kept.delete(file),
    })
    await savePassword(config, 'in the file', [ring(false), filePasswordStore])
    expect(await readPassword(config, [ring(true), filePasswordStore])).toBe('in the file')
    await savePassword(config, 'in the ring', [ring(true), filePasswordStore])
    expect(await readPassword(config, [ring(true), filePasswordStore])).toBe('in the ring')
    await deletePassword(config, [ring(true), filePasswordStore])
    expect(await readPassword(config, [ring(true), filePasswordStore])).toBeUndefined()
    await expect(savePassword(config, 'x', [ring(false)])).rejects.toThrow(PasswordStoreError)
  })
})

describe('tokens', () => {
  const plain =
    'eyJ2ZXJzaW9uIjoiMSIsInN0b3JhZ2UiOnsidHlwZSI6ImZpbGVzeXN0ZW0iLCJjb25maWciOnsicGF0aCI6Ii9iYWNrdXAiLCJmaWxlTW9kZSI6Mzg0LCJkaXJNb2RlIjo0NDgsImRpclNoYXJkcyI6bnVsbH19fQ'
  const secret =
    'eyJ2ZXJzaW9uIjoiMSIsInN0b3JhZ2UiOnsidHlwZSI6ImZpbGVzeXN0ZW0iLCJjb25maWciOnsicGF0aCI6Ii9yZXBvIiwiZGlyU2hhcmRzIjpudWxsfX0sInBhc3N3b3JkIjoic2FtcGxlLXBhc3N3b3JkIn0'

  test('are the text that Kopia writes', async () => {
    const storage = { type: 'filesystem', config: { path: '/backup', fileMode: 384, dirMode: 448, dirShards: null } }
    expect(encodeToken({ storage, password: '' })).toBe(plain)
    expect(await decodeToken(plain)).toEqual({ storage, password: '' })
  })

  test('hold the password if wanted, and may be broken over lines', async () => {
    const token = { storage: { type: 'filesystem', config: { path: '/repo', dirShards: null } }, password: 'sample-password' }
    expect(encodeToken(token)).toBe(secret)
    expect(await decodeToken(`${secret.slice(0, 50)}\r\n${secret.slice(50)}\n`)).toEqual(token)
  })

  test.each([`${plain}=`, ` ${plain}`, 'zzz', '', 'eyJ', plain.slice(0, 20)])('that are broken are refused: %j', async (text) => {
    await expect(decodeToken(text)).rejects.toThrow('invalid token: unable to decode token')
  })

  test('of another version or an unknown storage are refused', async () => {
    const of = (json: string) => Buffer.from(json).toString('base64url')
    await expect(decodeToken(of('{"version":"2","storage":{"type":"filesystem","config":{"path":"/x"}}}'))).rejects.toThrow(
      InvalidTokenError,
    )
    await expect(decodeToken(of('{"version":1}'))).rejects.toThrow(InvalidTokenError)
    await expect(decodeToken(of('{"version":"1","storage":{"type":"floppy","config":{}}}'))).rejects.toThrow(UsageError)
    await expect(decodeToken(of('{"version":"1"}'))).rejects.toThrow(UsageError)
  })
})
