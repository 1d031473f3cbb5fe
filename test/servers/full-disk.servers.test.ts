import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { StorageFullError } from '#repo/blob/errors.ts'
import { openStorage } from '#repo/blob/registry.ts'
import { KuraHome } from '../support/kura.ts'
import { runFsck } from '../support/referee.ts'
import { scratchFolders } from '../support/scratch.ts'
import { contentBytes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'
import { type Sshd, startSshd } from './sshd.ts'
import { wholeFlow, wholeFlowTimeoutMs } from './whole-flow.ts'

const scratch = scratchFolders()
const diskBytes = 24 << 20

/** A disk of 24 MiB in a file, or of memory where loops cannot be had; undefined where nothing may be mounted. */
function smallDisk(): { path: string; remove(): void } | undefined {
  const place = scratch()
  const path = join(place, 'disk')
  mkdirSync(path)
  const image = join(place, 'image')
  const quiet = { stdio: 'ignore' } as const
  try {
    execFileSync('truncate', ['-s', String(diskBytes), image], quiet)
    execFileSync('mkfs.ext4', ['-q', '-m', '0', '-O', '^has_journal', image], quiet)
    execFileSync('mount', ['-o', 'loop', image, path], quiet)
  } catch {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', path], quiet)
    } catch {
      return undefined
    }
  }
  return { path, remove: () => void execFileSync('umount', ['-l', path]) }
}

const disk = smallDisk()
const home = new KuraHome()
let sshd: Sshd
beforeAll(async () => {
  sshd = await startSshd(scratch())
})
afterAll(() => {
  sshd?.stop()
  disk?.remove()
  home.remove()
})

test('a repository in a folder lives a whole day', { timeout: wholeFlowTimeoutMs }, async () => {
  const storage = () => ['filesystem', '--path', scratch()]
  const person = new KuraHome()
  await wholeFlow(person, { repository: storage(), mirror: storage() })
  person.remove()
})

describe.skipIf(!disk)('a disk that runs full (skipped where nothing can be mounted)', () => {
  const path = () => join(disk?.path ?? '', 'repository')
  const source = home.path('source')

  test('is called that in one line, loses nothing, and serves again once there is room', async () => {
    mkdirSync(source)
    writeFileSync(join(source, 'small'), contentBytes({ gen: 'random', seed: 1, size: 2_000_000 }))
    await home.ok('repository', 'create', 'filesystem', '--path', path())
    await home.ok('snapshot', 'create', source)
    const before = listAsRestored(source)
    writeFileSync(join(source, 'large'), contentBytes({ gen: 'random', seed: 2, size: 40_000_000 }))
    const full = await home.run('snapshot', 'create', source)
    expect(full.status).toBe(1)
    expect(full.stderr).toMatch(/no space left/i)
    expect(full.stderr).not.toMatch(/internal error|\n\s+at /)
    const temporary = readdirSync(path(), { recursive: true }).filter((name) => String(name).includes('.tmp.'))
    expect(temporary).toEqual([])
    await home.ok('restore', `${source}`, home.path('restored'))
    expect(listTree(home.path('restored'))).toEqual({ ...before, '.': listTree(home.path('restored'))['.'] })
    rmSync(join(source, 'large'))
    writeFileSync(join(source, 'another'), contentBytes({ gen: 'random', seed: 3, size: 100_000 }))
    await home.ok('snapshot', 'create', source)
    await home.ok('snapshot', 'verify', '--verify-files-percent=100')
    const { status, output } = await runFsck(path(), 'test-password', '--allow-sessions')
    expect(status, output).toBe(0)
  })

  test('is StorageFullError from the folder and by SFTP alike', async () => {
    const config = { host: '127.0.0.1', port: sshd.port, username: sshd.username, keyfile: sshd.keyfile, knownHostsFile: sshd.knownHosts }
    const places = [
      { type: 'filesystem', config: { path: join(disk?.path ?? '', 'by-folder'), dirShards: null } },
      { type: 'sftp', config: { ...config, path: join(disk?.path ?? '', 'by-sftp'), dirShards: null } },
    ]
    for (const place of places) {
      const storage = await openStorage(place, true)
      await storage.put('before', [Buffer.from('x')])
      await expect(storage.put('huge', [randomBytes(30_000_000)])).rejects.toThrow(StorageFullError)
      expect((await storage.get('before')).toString()).toBe('x')
      await storage.put('after', [Buffer.from('y')])
      await storage.close()
    }
  })
})
