import { connect, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TransientStorageError } from '#repo/blob/errors.ts'
import { parseSftpOptions } from '#repo/blob/sftp/options.ts'
import { SftpTree } from '#repo/blob/sftp/tree.ts'
import { defaultRetryPolicy, retryTransient } from '#repo/blob/wrap/retry.ts'
import { scratchFolders } from '../support/scratch.ts'
import { type Sshd, startSshd } from './sshd.ts'

const scratch = scratchFolders()
let server: Sshd
beforeAll(async () => {
  server = await startSshd(scratch())
})
afterAll(() => server?.stop())

/** Passes bytes on until it is told to hold them back: connections stay open and nothing moves. */
async function stallingProxy(port: number): Promise<{ port: number; stall(): void; stop(): void }> {
  let open: Socket[] = []
  const proxy = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    open.push(near, far)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const stall = () => {
    for (const socket of open) {
      socket.unpipe()
      socket.pause()
    }
  }
  const stop = () => {
    for (const socket of open) socket.destroy()
    open = []
    proxy.close()
  }
  return { port: (proxy.address() as { port: number }).port, stall, stop }
}

test('a connection on which nothing moves is given up, and the call is tried again on a new one', async () => {
  const proxy = await stallingProxy(server.port)
  const knownHostsData = `[127.0.0.1]:${proxy.port} ${(await import('node:fs')).readFileSync(server.knownHosts, 'utf8').split(' ').slice(1).join(' ')}`
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
  await tree.open()
  await tree.write('a', [Buffer.from('x')], {})
  proxy.stall()
  await expect(tree.read('a')).rejects.toThrow(TransientStorageError)
  expect((await tree.read('a'))?.toString()).toBe('x')
  proxy.stall()
  const read = await retryTransient('reading', { ...defaultRetryPolicy, firstSleepMs: 10 }, () => tree.read('a'))
  expect(read?.toString()).toBe('x')
  await tree.close()
  proxy.stop()
})
