import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseTimeNs } from '#base/time.ts'
import { fixtureFacts, unpackFixture } from '../support/fixtures.ts'
import { scratchFolders } from '../support/scratch.ts'
import { until } from '../support/wait.ts'
import { liveMounts, run, whyNoLiveMounts } from './support/live.ts'
import { noise } from './support/source-tree.ts'

interface StatedEntry {
  readonly path: string
  readonly type: string
  readonly mode: string
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtime: string
}

const scratch = scratchFolders()
const why = whyNoLiveMounts

describe.skipIf(why !== undefined)(`what a mount shows${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  const serve = liveMounts()
  let source = ''
  beforeAll(() => {
    source = scratch()
    mkdirSync(join(source, 'good'))
    mkdirSync(join(source, 'bad'))
    writeFileSync(join(source, 'good/one'), 'one')
    writeFileSync(join(source, 'bad/two'), 'two')
    writeFileSync(join(source, 'lost'), 'lost')
    writeFileSync(join(source, 'half'), noise(12 << 20, 4))
  })
  const idOf = (prefix: string, name: string): string => prefix + createHash('md5').update(join(source, name)).digest('hex')

  test('a file without its content is EIO, and only that file; half a file can be read up to the hole', async () => {
    const mount = await serve({ folder: source, broken: [idOf('', 'lost'), `${idOf('I', 'half')}:${8 << 20}`] })
    const failed = await run('cat', [join(mount.tree, 'lost')])
    expect(failed.stderr).toContain('Input/output error')
    expect(lstatSync(join(mount.tree, 'lost')).size).toBe(4)
    expect(readFileSync(join(mount.tree, 'good/one'), 'utf8')).toBe('one')
    const head = await run('sh', ['-c', `dd if='${mount.tree}/half' bs=1M count=8 2>/dev/null | cmp - '${source}/half' -n 8388608`])
    expect(head.status).toBe(0)
    expect((await run('cat', [join(mount.tree, 'half')])).stderr).toContain('Input/output error')
    expect((await mount.event('warn')).line).toContain('not found')
  })

  test('an unreadable directory is EIO, and only there', async () => {
    const encoded = await import('./support/folder-repository.ts').then(({ FolderRepository }) =>
      new FolderRepository().addTree(join(source, 'bad'), 'bad'),
    )
    const mount = await serve({ folder: source, broken: [encoded.objectId] })
    const listed = await run('ls', ['-R', mount.tree])
    expect(listed.stdout).toContain('one')
    expect(listed.stdout).not.toContain('two')
    expect(listed.stderr).toContain('bad')
    expect(listed.stderr).toContain('Input/output error')
  })

  test('a snapshot made meanwhile appears, and latest points at it', async () => {
    const mount = await serve({ folder: source })
    const list = join(mount.mountPoint, 'user@host/src_tree')
    expect(readlinkSync(join(list, 'latest'))).toBe('20231114-221320')
    mount.order({ do: 'snapshot', path: join(source, 'good'), startNs: '1700000100000000000' })
    // How soon it is looked for is seen with a clock of its own (mount-unit/levels.test.ts).
    await until('the new snapshot', () => readdirSync(list).includes('20231114-221500'))
    expect(readdirSync(list)).toEqual(['20231114-221320', '20231114-221500', 'latest'])
    expect(readlinkSync(join(list, 'latest'))).toBe('20231114-221500')
    expect(readFileSync(join(list, 'latest/one'), 'utf8')).toBe('one')
  })

  test('inode numbers are the same after a remount', async () => {
    const inodes = async (): Promise<string> => {
      const mount = await serve({ folder: source })
      const { stdout } = await run('find', ['.', '-printf', '%i %P\\n'], { cwd: mount.mountPoint })
      mount.process.kill('SIGINT')
      await mount.exited
      return stdout
    }
    const first = await inodes()
    expect(first.split('\n').length).toBeGreaterThan(9)
    expect(
      new Set(
        first
          .trim()
          .split('\n')
          .map((line) => line.split(' ')[0]),
      ).size,
    ).toBe(first.trim().split('\n').length)
    expect(await inodes()).toBe(first)
  })

  test('a directory of 20,000 entries is listed whole, by plain names and with attributes', async () => {
    const facts = unpackFixture('large-directory')
    try {
      const mount = await serve({ repository: facts.path, password: 'fixture-password' })
      const count = (
        await run('sh', ['-c', `find '${mount.mountPoint}' -type f | wc -l; ls -f '${mount.mountPoint}'/*/*/latest/* | wc -l`])
      ).stdout
      const [found] = count.trim().split('\n').map(Number)
      expect(found).toBeGreaterThanOrEqual(20_000)
      const names = (await run('sh', ['-c', `find '${mount.mountPoint}' -ls | awk '{print $NF}' | sort | uniq -d | wc -l`])).stdout
      expect(names.trim()).toBe('0')
    } finally {
      facts.remove()
    }
  })

  test('200 nested directories are walked to the bottom', async () => {
    const facts = unpackFixture('deep-tree')
    try {
      const mount = await serve({ repository: facts.path, password: 'fixture-password' })
      const walked = await run('sh', ['-c', `find '${mount.mountPoint}' -type d | awk -F/ '{ if (NF > n) n = NF } END { print n }'`])
      expect(Number(walked.stdout)).toBeGreaterThan(200)
      expect(walked.stderr).toBe('')
    } finally {
      facts.remove()
    }
  })

  test('incomplete snapshots carry their reason, and latest passes them by', async () => {
    const facts = unpackFixture('incomplete-checkpoint')
    try {
      const mount = await serve({ repository: facts.path, password: 'fixture-password' })
      const listed = (await run('find', [mount.mountPoint, '-mindepth', '3', '-maxdepth', '3', '-printf', '%f %l\\n'])).stdout
      expect(listed).toMatch(/^\d{8}-\d{6} \(checkpoint\) $/m)
      expect(listed).toMatch(/^latest \d{8}-\d{6}$/m)
    } finally {
      facts.remove()
    }
  })

  test('refuses to cover the repository that it reads from', async () => {
    const facts = unpackFixture('default')
    try {
      const covering = serve({ repository: facts.path, mountPoint: join(facts.path, '..'), options: { allowNonEmpty: true } })
      await expect(covering).rejects.toThrow('which the mount reads from')
    } finally {
      facts.remove()
    }
  })

  test('gives memory back when the kernel forgets', async () => {
    const wide = scratch()
    for (let i = 0; i < 300; i++) {
      mkdirSync(join(wide, `d${i}`))
      writeFileSync(join(wide, `d${i}/f`), `${i}`)
    }
    const mount = await serve({ folder: wide, options: { maxCachedDirectories: 5 } })
    await run('find', [mount.mountPoint, '-ls'])
    mount.order({ do: 'tables' })
    expect((await mount.event('tables')).count).toBeGreaterThan(290)
    await until('the tables to shrink', async () => {
      writeFileSync('/proc/sys/vm/drop_caches', '2')
      mount.events.length = 0
      mount.order({ do: 'tables' })
      return ((await mount.event('tables')).count ?? 0) < 50
    })
    expect(readFileSync(join(mount.tree, 'd7/f'), 'utf8')).toBe('7')
  })

  test('every entry of a snapshot made by Kopia has the kind, mode, owner, size and time that Kopia states', async () => {
    const facts = unpackFixture('default')
    try {
      const { entries } = fixtureFacts<{ entries: Record<string, StatedEntry[]> }>('default')
      for (const [id, all] of Object.entries(entries).slice(0, 2)) {
        // Names that were not UTF-8 have become equal: the last one counts.
        const stated = [...new Map(all.map((e) => [e.path, e])).values()]
        const mount = await serve({ repository: facts.path, target: id })
        const shown = stated.map((e) => {
          const s = lstatSync(join(mount.mountPoint, e.path), { bigint: true })
          const kind = s.isDirectory() ? 'd' : s.isSymbolicLink() ? 's' : 'f'
          return [e.path, kind, s.mode & 0o777n, s.uid, s.gid, kind === 'd' ? 0n : s.size, s.mtimeNs]
        })
        const wanted = stated.map((e) => [
          e.path,
          e.type,
          BigInt(Number.parseInt(e.mode, 8) & 0o777),
          BigInt(e.uid),
          BigInt(e.gid),
          e.type === 'd' ? 0n : BigInt(e.size),
          parseTimeNs(e.mtime),
        ])
        expect(shown).toEqual(wanted)
        const count = (await run('find', [mount.mountPoint, '-mindepth', '1', '-printf', '.'])).stdout.length
        expect(count).toBe(stated.length)
      }
    } finally {
      facts.remove()
    }
  })

  test('one snapshot, a path in it, or the generations of one source can be mounted alone', async () => {
    const facts = unpackFixture('default')
    try {
      const { snapshots } = fixtureFacts<{ snapshots: { id: string }[] }>('default')
      const id = (snapshots[0] as { id: string }).id
      const one = await serve({ repository: facts.path, target: id })
      expect(readdirSync(one.mountPoint)).toContain('hello.txt')
      const below = await serve({ repository: facts.path, target: `${id}/links` })
      expect(readdirSync(below.mountPoint).length).toBeGreaterThan(0)
      const generations = await serve({ repository: facts.path, target: 'alice@laptop:/home/alice/docs' })
      expect(readdirSync(generations.mountPoint)).toContain('latest')
      await expect(serve({ repository: facts.path, target: `${id}/hello.txt` })).rejects.toThrow('it is a file')
    } finally {
      facts.remove()
    }
  })
})
