import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { runFsck } from '../support/referee.ts'
import { until } from '../support/wait.ts'
import { whyNoLiveMounts } from './support/live.ts'

const skipped = whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''

describe.skipIf(whyNoLiveMounts !== undefined)(`kura staging, without a mount${skipped}`, () => {
  const home = new KuraHome()
  let count = 0

  beforeAll(async () => {
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repo'))
    await home.ok('repository', 'set-client', '--username', 'user', '--hostname', 'host')
  })
  afterAll(() => home.remove())

  /** Serves a mount, lets `work` change it, and kills it. */
  async function killedMount(path: string, work: (backup: string, mountPoint: string) => Promise<void> | void): Promise<void> {
    const mountPoint = home.path(`mnt-${count++}`)
    mkdirSync(mountPoint)
    const child = home.start('mount', 'all', mountPoint, '--backup-source', `user@host:${path}`)
    const ended = new Promise((resolve) => child.once('close', resolve))
    try {
      await until('the mount', () => existsSync(join(mountPoint, 'backup')))
      await work(join(mountPoint, 'backup'), mountPoint)
    } finally {
      child.kill('SIGKILL')
      await ended
      spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    }
  }

  const listed = async () => JSON.parse(await home.ok('staging', 'list', '--json')) as { source: string; dirtyNodes: number }[]
  const snapshotsOf = async (path: string) =>
    JSON.parse(await home.ok('snapshot', 'list', '--json', `user@host:${path}`)) as { id: string }[]

  test('what a killed mount had accepted is listed, shown, exported and flushed', async () => {
    await killedMount('/one', (backup) => {
      mkdirSync(join(backup, 'sub'))
      writeFileSync(join(backup, 'sub/größe'), 'content')
      writeFileSync(join(backup, 'large'), randomBytes(300_000))
    })
    expect(await listed()).toMatchObject([{ source: 'user@host:/one' }])
    expect(await home.ok('staging', 'list')).toContain('user@host:/one  4 changes, 300 KB not in a snapshot')
    const shown = await home.ok('staging', 'show', 'user@host:/one')
    expect(shown).toContain('Stands on:       no snapshot')
    expect(shown).toContain('  sub/größe\n')
    await home.ok('staging', 'export', home.path('exported'))
    expect(readFileSync(home.path('exported/sub/größe'), 'utf8')).toBe('content')
    expect((await home.run('staging', 'export', home.path('exported'))).status).toBe(1)
    const id = (await home.ok('staging', 'flush')).trim()
    expect((await snapshotsOf('/one')).map((s) => s.id)).toEqual([id])
    await home.ok('restore', id, home.path('restored'))
    expect(spawnSync('diff', ['-r', home.path('exported'), home.path('restored')]).status).toBe(0)
    expect(await listed()).toMatchObject([{ dirtyNodes: 0 }])
    expect((await home.ok('staging', 'flush')).trim()).toBe(id)
    await home.ok('staging', 'drain')
    expect(await listed()).toEqual([])
  })

  test('discard asks, and says what is lost', async () => {
    await killedMount('/two', (backup) => writeFileSync(join(backup, 'gone'), 'x'))
    const refused = await home.run('staging', 'discard')
    expect(refused).toMatchObject({ status: 1 })
    expect(refused.stderr).toMatch(/2 changes of user@host:\/two, 1 B, are in no snapshot and will be lost:\n[\s\S]*gone/)
    expect(await listed()).toHaveLength(1)
    await home.ok('staging', 'discard', 'user@host:/two', '--yes')
    expect(await listed()).toEqual([])
    expect(await home.run('staging', 'show')).toMatchObject({ status: 1, stderr: expect.stringContaining('nothing is staged') as string })
  })

  test('a mounted area is left alone', async () => {
    await killedMount('/three', async (backup) => {
      writeFileSync(join(backup, 'file'), 'x')
      for (const args of [['flush', 'user@host:/three'], ['discard', 'user@host:/three', '--yes'], ['drain']]) {
        const { status, stderr } = await home.run('staging', ...args)
        expect([status, stderr]).toEqual([1, expect.stringContaining('in use by process')])
      }
    })
    await home.ok('staging', 'drain')
    expect(await snapshotsOf('/three')).toHaveLength(1)
  })

  test('a mount that is a service says that it is there', async () => {
    const bin = home.path('bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >${home.path('told')}\n`, { mode: 0o755 })
    Object.assign(home.env, { NOTIFY_SOCKET: '/nowhere', PATH: `${bin}:${process.env['PATH']}` })
    await killedMount('/service', async () => {
      await until('the notice', () => existsSync(home.path('told')) && readFileSync(home.path('told'), 'utf8').endsWith('\n'))
    })
    delete home.env['NOTIFY_SOCKET']
    expect(readFileSync(home.path('told'), 'utf8')).toMatch(/^--ready --pid=\d+\n$/)
    await home.ok('staging', 'drain')
  })

  test('a kill at any moment of a flush loses nothing', async () => {
    const files = Array.from({ length: 30 }, (_, i) => [`f${i}`, randomBytes(200_000)] as const)
    for (let round = 0; round < 6; round++) {
      await killedMount('/killed', async (backup, mountPoint) => {
        for (const [name, bytes] of files) writeFileSync(join(backup, `${round}-${name}`), bytes)
        for (const name of readdirSync(backup)) expect(readFileSync(join(backup, name))).toHaveLength(200_000)
        writeFileSync(join(mountPoint, '.kura/flush'), 'now')
        await sleep(round * 40)
      })
    }
    const id = (await home.ok('staging', 'flush', 'user@host:/killed')).trim()
    await home.ok('restore', id, home.path('all'))
    for (let round = 0; round < 6; round++)
      for (const [name, bytes] of files) expect(readFileSync(home.path('all', `${round}-${name}`)).equals(bytes)).toBe(true)
    expect(readdirSync(home.path('all'))).toHaveLength(180)
    rmSync(home.path('all'), { recursive: true })
    const { output } = await runFsck(home.path('repo'), 'test-password', '--allow-sessions')
    // What a killed process had written of a blob lies beside the blobs until maintenance takes it away.
    const violations = output.split('\n').filter((line) => line.startsWith('VIOLATION') && !/foreign file .*\.tmp\./.test(line))
    expect(violations).toEqual([])
    expect(output).toContain('fsck: ')
  })

  test('what was staged goes onto a newer snapshot with --rebase, and is kept when its own was deleted', async () => {
    const local = home.path('local')
    mkdirSync(local)
    writeFileSync(join(local, 'theirs'), '1')
    await home.ok('snapshot', 'create', local, '--override-source', 'user@host:/shared')
    await killedMount('/shared', (backup) => writeFileSync(join(backup, 'ours'), 'ours'))
    const [old] = await snapshotsOf('/shared')
    writeFileSync(join(local, 'theirs'), '2')
    await home.ok('snapshot', 'create', local, '--override-source', 'user@host:/shared')
    await home.ok('snapshot', 'delete', old?.id ?? '', '--delete')
    const refused = await home.run('staging', 'flush', 'user@host:/shared')
    expect(refused).toMatchObject({ status: 1 })
    expect(refused.stderr).toContain('was deleted. They are kept')
    const id = (await home.ok('staging', 'flush', 'user@host:/shared', '--rebase')).trim()
    await home.ok('restore', id, home.path('merged'))
    expect([readFileSync(home.path('merged/ours'), 'utf8'), readFileSync(home.path('merged/theirs'), 'utf8')]).toEqual(['ours', '2'])
  })
})
