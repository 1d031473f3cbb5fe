import { createCipheriv, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inspectStaging } from '#mount/staging/inspect.ts'
import { openStaging } from '#mount/staging/open.ts'
import { openSpoolKey, SpoolCipher, sealSpoolKey } from '#mount/staging/spool-cipher.ts'
import type { LowerTree, Staging, StagingOptions } from '#mount/staging/staging.ts'

const owner = { uid: 1, gid: 2 }
const lowerTree: LowerTree = { readDirectory: async () => [], read: () => Buffer.alloc(0) }
const secret = Buffer.alloc(32, 5)

let folder: string
let staging: Staging | undefined
const open = async (over: Partial<StagingOptions> = {}): Promise<Staging> => {
  const options: StagingOptions = {
    directory: folder,
    repositoryId: 'r',
    source: 'u@h:/p',
    lower: undefined,
    xattrs: 'refuse',
    encrypt: true,
    secret,
    spoolLimitBytes: 1 << 28,
    spoolReserveBytes: 0,
    owner,
    takeOver: false,
    firstNode: 2 ** 32,
    nowNs: () => 1_800_000_000_000_000_001n,
    warn: () => undefined,
    ...over,
  }
  staging = await openStaging(options, lowerTree)
  return staging
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kura-encrypted-'))
})
afterEach(async () => {
  await staging?.close().catch(() => undefined)
  staging = undefined
  rmSync(folder, { recursive: true, force: true })
})

const spoolBytes = (): Buffer =>
  Buffer.concat(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path)),
  )

describe('an encrypted spool', () => {
  it('has no byte of what was written in the clear, and gives all of it back after it was opened again', async () => {
    const secretText = Buffer.from('a line that nobody should find. '.repeat(20_000))
    const made = await open()
    const node = await made.make(made.root, 'f', 0o100644, owner)
    await made.write(node, 0, secretText, false)
    await made.write(node, 33, Buffer.from('PATCH'), false)
    await made.syncAll()
    const wanted = Buffer.from(secretText)
    wanted.write('PATCH', 33)
    const pieces = async (from: Staging, at: number, size: number) => Buffer.from(await from.read(node, at, size))
    for (const [at, size] of [
      [0, wanted.length],
      [1, 15],
      [30, 20],
      [100_001, 70_000],
    ] as const)
      expect((await pieces(made, at, size)).equals(wanted.subarray(at, at + size))).toBe(true)
    expect(spoolBytes().includes('nobody should find')).toBe(false)
    expect(spoolBytes().includes('PATCH')).toBe(false)
    await made.close()
    expect(inspectStaging(folder).isEncrypted).toBe(true)
    const again = await open({ encrypt: false })
    expect((await pieces(again, 0, wanted.length)).equals(wanted)).toBe(true)
  })

  it('can be opened by nobody without the key of the repository, and nothing is changed by the attempt', async () => {
    const made = await open()
    const node = await made.make(made.root, 'f', 0o100644, owner)
    await made.write(node, 0, Buffer.from('text'), false)
    await made.close()
    await expect(open({ secret: Buffer.alloc(32, 6) })).rejects.toThrow(/encrypted for another repository/)
    await expect(open({ secret: undefined, encrypt: false })).rejects.toThrow(/does not have its key/)
    expect(Buffer.from(await (await open()).read(node, 0, 9)).toString()).toBe('text')
  })

  it('is not made of changes that lie in the clear, nor where there is no key', async () => {
    await expect(open({ secret: undefined })).rejects.toThrow(/cannot be encrypted/)
    const plain = await open({ encrypt: false })
    await plain.make(plain.root, 'f', 0o100644, owner)
    await plain.close()
    await expect(open()).rejects.toThrow(/not encrypted/)
  })
})

it('what is encrypted in parts is what is encrypted as a whole', () => {
  const key = randomBytes(32)
  const nonce = Buffer.from('00112233445566ff', 'hex')
  const plain = randomBytes(1000)
  const whole = createCipheriv('aes-256-ctr', key, Buffer.concat([nonce, Buffer.alloc(8)])).update(plain)
  const cipher = new SpoolCipher(key)
  for (const [start, end] of [
    [0, 1000],
    [1, 17],
    [16, 32],
    [255, 300],
    [999, 1000],
  ] as const)
    expect(cipher.apply(nonce, start, plain.subarray(start, end)).equals(whole.subarray(start, end))).toBe(true)
})

it('a sealed key is opened by its secret alone', () => {
  const key = randomBytes(32)
  const sealed = sealSpoolKey(key, secret)
  expect(openSpoolKey(sealed, secret).equals(key)).toBe(true)
  for (const bad of ['', sealed.slice(4), sealed.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))])
    expect(() => openSpoolKey(bad, secret)).toThrow(/encrypted for another repository/)
})
