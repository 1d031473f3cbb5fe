import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CredentialsError } from '#repo/blob/errors.ts'
import { openStorage } from '#repo/blob/registry.ts'
import { conformance } from '../support/blob-conformance.ts'
import { scratchFolders } from '../support/scratch.ts'
import { type Sshd, startSshd } from './sshd.ts'

const scratch = scratchFolders()
let server: Sshd
beforeAll(async () => {
  server = await startSshd(scratch())
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

conformance('sftp with a key', () => open(join(scratch(), 'deep', 'root')))

test('an unknown host key is refused with what to do', async () => {
  const empty = join(scratch(), 'known_hosts')
  writeFileSync(empty, '')
  await expect(open(scratch(), { knownHostsFile: empty })).rejects.toThrow(/SHA256:.* is not in .*ssh-keyscan/)
})

test('a wrong host key is refused', async () => {
  const knownHostsData = `[127.0.0.1]:${server.port} ssh-ed25519 ${Buffer.alloc(51, 1).toString('base64')}\n`
  await expect(open(scratch(), { knownHostsData })).rejects.toThrow(/is not the one in/)
})

test('a wrong password is CredentialsError and does not appear in it', async () => {
  const failure = await open(scratch(), { password: 'wr0ng-secret' }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(CredentialsError)
  expect(String(failure)).not.toContain('wr0ng-secret')
})
