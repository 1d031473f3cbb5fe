import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { contentBytes } from '../support/source-tree.ts'
import { ended, endOf, until } from '../support/wait.ts'
import { type FaultProxy, faultProxy, type SeenRequest } from './fault-proxy.ts'
import { startS3rver, type TestServer, whyNoServers } from './object-stores.ts'

const whyNot = whyNoServers ?? (existsSync('/dev/fuse') ? undefined : 'there is no /dev/fuse')
const folders = 30
const files = 40
const largeBytes = 20_000_000
/** What is read ahead is asked for together with what is read: it comes at once, or after the answer that it waits for. */
const quietMs = 300
// Nothing here may wait for the mount without the event loop: the proxy is served by it.
const run = promisify(execFile)

/** What each request of a mount on a far repository costs is a wait for the other end: they are counted here, at a proxy in between. */
describe.skipIf(whyNot !== undefined)(`a mount on a far repository${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
  let server: TestServer
  let proxy: FaultProxy
  let seen: SeenRequest[] = []
  let snapshot = ''
  const home = new KuraHome()
  const source = home.path('source')
  const at = home.path('mounted')
  const text = (folder: number, file: number): string => `file ${file} of folder ${folder}\n`.repeat(20)

  beforeAll(async () => {
    for (let d = 0; d < folders; d++) {
      mkdirSync(join(source, `folder${d}`), { recursive: true })
      for (let f = 0; f < files; f++) writeFileSync(join(source, `folder${d}`, `file${f}`), text(d, f))
    }
    writeFileSync(join(source, 'large'), contentBytes({ gen: 'random', seed: 3, size: largeBytes }))
    mkdirSync(at)
    server = await startS3rver()
    proxy = await faultProxy(server.port)
    const flags = ['--bucket=kura-test', '--disable-tls', '--access-key=S3RVER', '--secret-access-key=S3RVER']
    await home.ok('repository', 'create', 's3', ...flags, `--endpoint=127.0.0.1:${proxy.port}`)
    await home.ok('snapshot', 'create', source)
    snapshot = (JSON.parse(await home.ok('snapshot', 'list', '--json')) as { id: string }[])[0]?.id as string
    rmSync(home.path('cache'), { recursive: true, force: true })
    proxy.plan = (request) => {
      seen.push(request)
      return undefined
    }
  })
  afterAll(async () => {
    home.remove()
    await proxy?.stop()
    await server?.stop()
  })

  /** Mounts the snapshot, so that nothing is asked for but what is read. */
  async function mounted(work: () => Promise<void>): Promise<void> {
    const child = home.start('mount', snapshot, at)
    const end = ended(child)
    try {
      await until('the mount', async () => (await readdir(at)).length > 0)
      await work()
    } finally {
      await home.run('unmount', at)
      await endOf(child, end)
    }
  }

  /** The requests of what a program does below the mount. */
  async function requestsOf(program: string, ...args: string[]): Promise<readonly SeenRequest[]> {
    await proxy.quiet(quietMs) // what was read ahead of the step before
    seen = []
    await run(program, args, { cwd: at })
    await proxy.quiet(quietMs)
    return seen
  }

  const packs = (requests: readonly SeenRequest[], letter: string): readonly SeenRequest[] =>
    requests.filter(({ url }) => new RegExp(`/${letter}[0-9a-f]{32}`).test(url))

  test('asks for directories once, for small files by ranges of many, and never for a whole pack of files', async () => {
    const all: SeenRequest[] = []
    await mounted(async () => {
      expect((await requestsOf('ls', '-l', 'folder3')).length).toBeLessThanOrEqual(2)
      all.push(...(await requestsOf('cat', 'folder5/file7')))
      expect(all.length).toBe(1)
      const ofFolder = await requestsOf('grep', '-rc', 'file', 'folder8')
      all.push(...ofFolder)
      expect(ofFolder.length).toBeLessThanOrEqual(files / 5)
      expect(await readFile(join(at, 'folder8/file39'), 'utf8')).toBe(text(8, 39))
      seen = []
      const file = await open(join(at, 'large'))
      await file.read(Buffer.alloc(4096), 0, 4096, 11_000_000)
      await file.close()
      await proxy.quiet(quietMs)
      all.push(...seen)
      expect(packs(seen, 'p').length).toBeLessThanOrEqual(2)
      expect((await requestsOf('find', '.', '-ls')).length).toBe(0)
    })
    expect(packs(all, 'p').length).toBeGreaterThan(2)
    expect(all.filter(({ ranged }) => !ranged)).toEqual(packs(all, 'q'))
  })

  test('walks a tree that was walked before without any request', async () => {
    await mounted(async () => {
      expect(await requestsOf('find', '.', '-ls')).toEqual([])
      expect(await requestsOf('cat', ...Array.from({ length: files }, (_, i) => `folder8/file${i}`))).toEqual([])
    })
  })
})
