import { readdirSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  BlobRangeError,
  CredentialsError,
  StorageError,
  StorageFullError,
  TransientStorageError,
  UnsupportedOptionError,
} from '#repo/blob/errors.ts'
import { openStorage } from '#repo/blob/registry.ts'
import { parseMultistatus } from '#repo/blob/webdav/multistatus.ts'
import { retrying } from '#repo/blob/wrap/retry.ts'
import { conformance } from '../support/blob-conformance.ts'
import { KuraHome } from '../support/kura.ts'
import { scratchFolders } from '../support/scratch.ts'
import { type DavServer, davPassword, davUser, startLighttpd, startRcloneDav } from './webdav.ts'
import { wholeFlow, wholeFlowTimeoutMs } from './whole-flow.ts'

const scratch = scratchFolders()
const servers: Record<string, DavServer> = {}
beforeAll(async () => {
  servers['rclone'] = await startRcloneDav(scratch())
  servers['basic'] = await startLighttpd(scratch(), 'basic', true)
  servers['digest'] = await startLighttpd(scratch(), 'digest', false)
})
afterAll(() => {
  for (const server of Object.values(servers)) server.stop()
})

let folders = 0
const open = (name: string, changes: object = {}) => {
  const { url, fingerprint } = servers[name] as DavServer
  const config = {
    url: `${url}folder%20${++folders}`,
    username: davUser,
    password: davPassword,
    trustedServerCertificateFingerprint: fingerprint,
    atomicWrites: false,
    dirShards: null,
  }
  return openStorage({ type: 'webdav', config: { ...config, ...changes } }, true)
}

const noTimes = { 'a modification time that was asked for is kept': 'WebDAV has no way to set it' }
const onRclone = { ...noTimes, 'readers see one whole version while a blob is replaced': 'rclone removes the old file before it renames' }
conformance('webdav with basic login on rclone', async () => retrying()(await open('rclone')), onRclone)
conformance('webdav with basic login over TLS on lighttpd', () => open('basic'), noTimes)
conformance('webdav with digest login on lighttpd', () => open('digest'), noTimes)
conformance('webdav without temporary names', async () => retrying()(await open('rclone', { atomicWrites: true })), onRclone)

describe('webdav', () => {
  test('refuses to set times, so that whoever asked can do without', async () => {
    const storage = await open('rclone')
    await expect(storage.put('a', [Buffer.from('x')], { modifiedMs: 1 })).rejects.toThrow(UnsupportedOptionError)
    await storage.close()
  })

  test.each(['rclone', 'basic'])('a root that is missing is made by the first write, at the root or below it (%s)', async (name) => {
    const { url, fingerprint } = servers[name] as DavServer
    for (const id of ['short', 'p'.padEnd(40, '0')]) {
      const config = { username: davUser, password: davPassword, trustedServerCertificateFingerprint: fingerprint, dirShards: null }
      const storage = await openStorage({ type: 'webdav', config: { ...config, url: `${url}made%20${++folders}` } }, false)
      await storage.put(id, [Buffer.from('x')])
      expect((await storage.get(id)).toString()).toBe('x')
      await storage.close()
    }
  })

  test('leaves no temporary files', async () => {
    const storage = await open('digest')
    await Promise.all(Array.from({ length: 10 }, (_, i) => storage.put(`p${i}`.padEnd(30, '0'), [Buffer.from('x')])))
    const { root } = servers['digest'] as DavServer
    const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((e) => e.isFile())
    expect(files.filter((e) => !e.name.endsWith('.f') && e.name !== '.shards')).toEqual([])
    await storage.close()
  })

  test.each(['basic', 'digest'])('a wrong password with %s login is CredentialsError and does not appear in it', async (name) => {
    const failure = await open(name, { password: 'wr0ng-secret' }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(CredentialsError)
    expect(String(failure)).not.toContain('wr0ng-secret')
  })

  test('a certificate that nobody vouches for is refused, as is another than the trusted one', async () => {
    await expect(open('basic', { trustedServerCertificateFingerprint: '' })).rejects.toThrow(/certificate is not trusted/)
    await expect(open('basic', { trustedServerCertificateFingerprint: 'ab'.repeat(32) })).rejects.toThrow(/not the trusted one/)
  })

  test('an address where no WebDAV server is says so', async () => {
    await expect(
      served(
        (_q, r) => r.end('hello'),
        (url) => open('rclone', { url }),
      ),
    ).rejects.toThrow(StorageError)
    await expect(open('rclone', { url: 'http://127.0.0.1:1/x' })).rejects.toThrow(/ECONNREFUSED/)
  })

  test('a server without ranges, or with wrong ones, does no harm', async () => {
    const whole: RequestListener = (q, r) => (q.url?.endsWith('a.f') ? r.end('0123456789') : r.writeHead(404).end())
    await served(whole, async (url) => {
      const storage = await openStorage({ type: 'webdav', config: { url, dirShards: [] } }, false)
      expect((await storage.get('a', { offset: 3, length: 4 })).toString()).toBe('3456')
      await expect(storage.get('a', { offset: 8, length: 4 })).rejects.toThrow(BlobRangeError)
      await storage.close()
    })
    const wrong: RequestListener = (q, r) =>
      q.url?.endsWith('a.f') ? r.writeHead(206, { 'Content-Range': 'bytes 0-3/10' }).end('0123') : r.writeHead(404).end()
    await served(wrong, async (url) => {
      const storage = await openStorage({ type: 'webdav', config: { url, dirShards: [] } }, false)
      await expect(storage.get('a', { offset: 3, length: 4 })).rejects.toThrow(/other bytes/)
      await storage.close()
    })
  })

  test('a list that was cut anywhere is never taken for a whole one', async () => {
    const entry = (name: string) =>
      `<D:response><D:href>/dav/${name}</D:href><D:propstat><D:prop><D:resourcetype/><D:getcontentlength>1</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`
    const whole = `<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">${entry('a.f')}${entry('b.f')}</D:multistatus>`
    expect((await parseMultistatus(Buffer.from(`${whole}\n`), 'x')).map((e) => e.name)).toEqual(['a.f', 'b.f'])
    for (let end = 0; end < whole.length; end++)
      await expect(parseMultistatus(Buffer.from(whole.slice(0, end)), 'x'), whole.slice(0, end)).rejects.toThrow(TransientStorageError)
  })

  test('a full server is StorageFullError; one that is busy is asked again', async () => {
    let busy = 3
    const listener: RequestListener = (q, r) => {
      q.resume()
      if (q.method === 'PUT') r.writeHead(busy-- > 0 ? 503 : 507).end()
      else r.writeHead(q.method === 'GET' ? 404 : 201).end()
    }
    await served(listener, async (url) => {
      const storage = retrying({ firstSleepMs: 1 })(await openStorage({ type: 'webdav', config: { url, dirShards: [] } }, false))
      await expect(storage.put('a', [Buffer.from('x')])).rejects.toThrow(StorageFullError)
      await storage.close()
    })
  })
})

async function served<T>(listener: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use(`http://127.0.0.1:${(server.address() as { port: number }).port}/dav`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('a repository on a WebDAV server lives a whole day, and its password is not shown', { timeout: wholeFlowTimeoutMs }, async () => {
  const home = new KuraHome('test-password', { KOPIA_WEBDAV_USERNAME: davUser, KOPIA_WEBDAV_PASSWORD: davPassword })
  const { url } = servers['digest'] as DavServer
  await wholeFlow(home, { repository: ['webdav', `--url=${url}repo`], mirror: ['webdav', `--url=${url}mirror`] })
  home.remove()
})
