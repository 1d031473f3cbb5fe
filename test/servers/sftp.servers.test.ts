import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CredentialsError, StorageError } from '#repo/blob/errors.ts'
import { openStorage } from '#repo/blob/registry.ts'
import { readableKey } from '#repo/blob/sftp/key.ts'
import { retrying } from '#repo/blob/wrap/retry.ts'
import { conformance } from '../support/blob-conformance.ts'
import { scratchFolders } from '../support/scratch.ts'
import { addKey, pkcs8Of, type Sshd, startSshd } from './sshd.ts'

const scratch = scratchFolders()
let server: Sshd
let place: string
beforeAll(async () => {
  place = scratch()
  server = await startSshd(place)
})
afterAll(() => server?.stop())

const open = (path: string, changes: object = {}) => {
  const { port, username, keyfile, knownHosts } = server
  const config = {
    path,
    host: '127.0.0.1',
    port,
    username,
    password: '',
    keyfile,
    knownHostsFile: knownHosts,
    externalSSH: false,
    ...changes,
  }
  return openStorage({ type: 'sftp', config: { ...config, dirShards: null } }, true)
}

const external = () => ({
  keyfile: '',
  knownHostsFile: '',
  externalSSH: true,
  sshArguments: `-p ${server.port} -i ${server.keyfile} -o UserKnownHostsFile=${server.knownHosts} -o BatchMode=yes`,
})

conformance('sftp with a key', () => open(join(scratch(), 'deep', 'root')))
conformance('sftp by the ssh command', () => open(join(scratch(), 'root'), external()))

describe('the server', () => {
  test('with an unknown host key is refused, and it is said what to do', async () => {
    const empty = join(scratch(), 'known_hosts')
    writeFileSync(empty, '')
    await expect(open(scratch(), { knownHostsFile: empty })).rejects.toThrow(/SHA256:.* is not in .*ssh-keyscan/)
  })

  test('with a wrong host key is refused', async () => {
    const knownHostsData = `[127.0.0.1]:${server.port} ssh-ed25519 ${Buffer.alloc(51, 1).toString('base64')}\n`
    await expect(open(scratch(), { knownHostsData })).rejects.toThrow(/is not the one in/)
  })

  test('says how large its volume is', async () => {
    const storage = await open(scratch())
    const { totalBytes, freeBytes } = (await storage.extras.capacity?.()) ?? { totalBytes: 0n, freeBytes: 0n }
    expect(totalBytes).toBeGreaterThan(freeBytes)
    expect(freeBytes).toBeGreaterThan(0n)
    await storage.close()
  })

  test('that cuts every connection costs nothing but a retry', async () => {
    const storage = retrying({ firstSleepMs: 10 })(await open(scratch()))
    await storage.put('before', [Buffer.from('x')])
    expect(server.cut()).toBeGreaterThan(0)
    expect((await storage.get('before')).toString()).toBe('x')
    const data = Buffer.alloc(30_000_000, 7)
    const put = storage.put('during', [data])
    await sleep(30)
    server.cut()
    await put
    expect((await storage.get('during')).equals(data)).toBe(true)
    await storage.close()
  })

  test('gets more connections when there is much to do', async () => {
    const storage = await open(scratch())
    const data = Buffer.alloc(2_000_000, 3)
    const puts: Promise<unknown>[] = []
    // Whoever comes while the connection is busy has another one made.
    for (let i = 0; i < 300 && server.sessions() < 2; i++) {
      puts.push(storage.put(`p${i}`, [data]))
      await sleep(10)
    }
    await Promise.all(puts)
    expect(server.sessions()).toBeGreaterThan(1)
    await storage.close()
  })

  test('keeps no temporary file of a put that was cut off for good', async () => {
    const root = scratch()
    const storage = await open(root)
    await storage.put('first', [Buffer.from('x')])
    const put = storage.put('second', [Buffer.alloc(30_000_000)])
    await sleep(20)
    server.cut()
    await expect(put).rejects.toThrow(/connection .* was lost/)
    expect(readdirSync(root).filter((name) => name.endsWith('.f'))).toEqual(['first.f'])
    await storage.close()
  })
})

describe('a key', () => {
  test('that the server does not know is CredentialsError', async () => {
    const stranger = addKey(scratch(), 'stranger', '-t', 'ed25519', '-N', '')
    await expect(open(scratch(), { keyfile: stranger })).rejects.toThrow(CredentialsError)
  })

  test.each([
    ['ed25519', ['-t', 'ed25519']],
    ['rsa', ['-t', 'rsa', '-b', '2048']],
    ['ecdsa', ['-t', 'ecdsa']],
  ])('of kind %s works as OpenSSH writes it and in PKCS#8', async (name, options) => {
    const key = addKey(place, `key-${name}`, ...options, '-N', '')
    for (const keyfile of name === 'ed25519' ? [key] : [key, pkcs8Of(key)]) {
      const storage = await open(scratch(), { keyfile })
      await storage.put('a', [Buffer.from('x')])
      await storage.close()
    }
  })

  test('of Ed25519 in PKCS#8 is read, given as data', async () => {
    const { privateKey } = generateKeyPairSync('ed25519', {
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    const file = join(scratch(), 'ed')
    writeFileSync(file, readableKey(privateKey, '', 'the key'), { mode: 0o600 })
    const { execFileSync } = await import('node:child_process')
    const line = execFileSync('ssh-keygen', ['-y', '-f', file])
    writeFileSync(join(place, 'authorized_keys'), line, { flag: 'a' })
    const storage = await open(scratch(), { keyfile: '', keyData: privateKey })
    await storage.close()
  })

  test('with a passphrase needs the passphrase, and says so without it', async () => {
    const keyfile = addKey(place, 'locked', '-t', 'ed25519', '-N', 'p4ssphrase')
    await expect(open(scratch(), { keyfile })).rejects.toThrow(/protected by a passphrase.*KURA_SFTP_KEY_PASSPHRASE/)
    process.env['KURA_SFTP_KEY_PASSPHRASE'] = 'wrong-one'
    try {
      const failure = await open(scratch(), { keyfile }).catch((error: unknown) => error)
      expect(String(failure)).toMatch(/does not open with the passphrase/)
      expect(String(failure)).not.toContain('wrong-one')
      process.env['KURA_SFTP_KEY_PASSPHRASE'] = 'p4ssphrase'
      await (await open(scratch(), { keyfile })).close()
    } finally {
      delete process.env['KURA_SFTP_KEY_PASSPHRASE']
    }
  })

  test('file that is missing or no key is named', async () => {
    await expect(open(scratch(), { keyfile: '/nonexistent/key' })).rejects.toThrow(/cannot read the key file \/nonexistent\/key/)
    const keyfile = join(scratch(), 'garbage')
    writeFileSync(keyfile, 'no key at all')
    await expect(open(scratch(), { keyfile })).rejects.toThrow(/garbage cannot be used/)
  })
})

describe('the ssh command', () => {
  test('that does not exist is named, with what to do', async () => {
    await expect(open(scratch(), { ...external(), sshCommand: 'no-such-ssh' })).rejects.toThrow(/cannot run "no-such-ssh".*--ssh-command/)
  })

  test('that ends at once is an error', async () => {
    await expect(open(scratch(), { ...external(), sshCommand: 'false' })).rejects.toThrow(StorageError)
  })
})

test('a wrong password is CredentialsError and does not appear in it', async () => {
  const failure = await open(scratch(), { password: 'wr0ng-secret' }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(CredentialsError)
  expect(String(failure)).not.toContain('wr0ng-secret')
})

test('a folder that cannot be made is named', async () => {
  const root = scratch()
  writeFileSync(join(root, 'file'), readFileSync(server.knownHosts))
  mkdirSync(join(root, 'ok'))
  await expect(open(join(root, 'file', 'below'))).rejects.toThrow(/file\/below/)
})
