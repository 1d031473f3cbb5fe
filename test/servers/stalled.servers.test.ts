import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TransientStorageError } from '#repo/blob/errors.ts'
import { parseSftpOptions } from '#repo/blob/sftp/options.ts'
import { SftpTree } from '#repo/blob/sftp/tree.ts'
import { defaultRetryPolicy, retryTransient } from '#repo/blob/wrap/retry.ts'
import { scratchFolders } from '../support/scratch.ts'
import { type Sshd, startSshd } from './sshd.ts'
import { lineProxy } from './tcp-fault-proxy.ts'

const scratch = scratchFolders()
let server: Sshd
beforeAll(async () => {
  server = await startSshd(scratch())
})
afterAll(() => server?.stop())

test('a connection on which nothing moves is given up, and the call is tried again on a new one', async () => {
  const proxy = await lineProxy(server.port)
  const knownHostsData = `[127.0.0.1]:${proxy.port} ${readFileSync(server.knownHosts, 'utf8').split(' ').slice(1).join(' ')}`
  const tree = new SftpTree(
    parseSftpOptions({
      path: scratch(),
      host: '127.0.0.1',
      port: proxy.port,
      username: server.username,
      keyfile: server.keyfile,
      knownHostsData,
    }),
    600,
  )
  // A busy machine may be as silent as a line that is dead.
  const patiently = <T>(what: () => Promise<T>) => retryTransient('asking', { ...defaultRetryPolicy, firstSleepMs: 10 }, what)
  await patiently(() => tree.open())
  await patiently(() => tree.write('a', [Buffer.from('x')], {}))
  proxy.stall()
  await expect(tree.read('a')).rejects.toThrow(TransientStorageError)
  expect((await patiently(() => tree.read('a')))?.toString()).toBe('x')
  proxy.stall()
  expect((await patiently(() => tree.read('a')))?.toString()).toBe('x')
  await tree.close()
  proxy.stop()
})
