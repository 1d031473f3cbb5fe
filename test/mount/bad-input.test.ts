import { type ChildProcess, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { until } from '../support/wait.ts'
import { whyNoLiveMounts } from './support/live.ts'
import { noise } from './support/source-tree.ts'

interface SpoolStatus {
  readonly state: string
  readonly pre_uploaded: { readonly files: number }
  readonly last: { readonly new_bytes: number } | null
}

describe.skipIf(whyNoLiveMounts !== undefined)(`a spool in trouble${whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''}`, () => {
  let home: KuraHome
  let mountPoint: string
  let backup: string
  let spool: string
  let daemon: ChildProcess | undefined

  beforeEach(async () => {
    home = new KuraHome()
    mountPoint = home.path('mnt')
    backup = join(mountPoint, 'backup')
    spool = home.path('spool')
    mkdirSync(mountPoint)
    mkdirSync(spool)
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repo'))
  })
  afterEach(async () => {
    await kill()
    spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    spawnSync('umount', ['-l', spool], { stdio: 'ignore' })
    home.remove()
  })

  async function mount(...flags: string[]): Promise<void> {
    const child = home.start('mount', 'all', mountPoint, '--flush-after', '1h', '--spool', spool, ...flags)
    daemon = child
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    await until('the mount', () => said.includes('Press Ctrl-C') || child.exitCode !== null)
    expect(said).toContain('Press Ctrl-C')
  }

  async function kill(): Promise<void> {
    const child = daemon
    daemon = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await ended
  }

  const areas = () => readdirSync(spool).map((name) => join(spool, name))
  const errors = () => readFileSync(join(mountPoint, '.kura/errors'), 'utf8')
  const snapshots = async () => JSON.parse(await home.ok('snapshot', 'list', '--all', '--json')) as { id: string }[]
  const storedBytes = (): number => {
    const blobs = (readdirSync(home.path('repo'), { recursive: true }) as string[]).filter((name) => name.endsWith('.f'))
    return blobs.reduce((sum, name) => sum + statSync(home.path('repo', name)).size, 0)
  }
  const codeOf = (work: () => unknown): string => {
    try {
      work()
      return 'ok'
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code)
    }
  }

  /** The newest snapshot holds these files and no others. */
  async function restoresTo(files: Readonly<Record<string, Buffer>>): Promise<void> {
    const last = (await snapshots()).at(-1)
    await home.ok('restore', last?.id ?? '', home.path('restored'))
    expect(readdirSync(home.path('restored')).sort()).toEqual(Object.keys(files))
    for (const [name, bytes] of Object.entries(files)) expect(readFileSync(home.path('restored', name)).equals(bytes), name).toBe(true)
  }

  test('a damaged journal: what came before is there, the rest is kept aside, and it is said everywhere', async () => {
    await mount()
    for (let i = 0; i < 20; i++) writeFileSync(join(backup, `f${i}`), `content of ${i}`)
    await kill()
    const journal = join(areas()[0] ?? '', 'journal')
    const bytes = readFileSync(journal)
    const middle = Math.floor(bytes.length / 2)
    bytes[middle] = (bytes[middle] ?? 0) ^ 0xff
    writeFileSync(journal, bytes)
    expect(await home.ok('staging', 'show', '--spool', spool)).toMatch(/^Damaged: .* of the journal cannot be read/m)
    await mount()
    const left = readdirSync(backup)
    expect(left.length).toBeGreaterThan(4)
    expect(left.length).toBeLessThan(20)
    // The last one may have lost its content: a file is made before it is written.
    for (const name of left.slice(0, -1)) expect(readFileSync(join(backup, name), 'utf8')).toMatch(/^content of \d+$|^$/)
    expect(errors()).toContain('the journal is damaged')
    expect(existsSync(`${journal}.damaged-1`)).toBe(true)
    writeFileSync(join(backup, 'after'), 'goes on')
    await home.ok('flush', mountPoint)
    await kill()
    expect(await home.ok('staging', 'show', '--spool', spool)).toMatch(/^Error: .*the journal is damaged/m)
    expect(await snapshots()).toHaveLength(1)
  })

  test('a spool file that has lost its end: which file it is is said, and nothing else is touched', async () => {
    await mount()
    writeFileSync(join(backup, 'large'), noise(1_000_000, 3))
    writeFileSync(join(backup, 'other'), noise(1_000_000, 4))
    await kill()
    const files = readdirSync(spool, { recursive: true, encoding: 'utf8' }).map((name) => join(spool, name))
    const [large = ''] = files.filter((path) => statSync(path).isFile() && statSync(path).size === 1_000_000)
    truncateSync(large, 400_000)
    await mount()
    expect(errors()).toMatch(/(large|other): 600000 bytes were not on disk/)
    const whole = ['large', 'other'].filter((name, i) => readFileSync(join(backup, name)).equals(noise(1_000_000, 3 + i)))
    expect(whole).toHaveLength(1)
  })

  test('a limit that is reached: the writer waits for the flush that makes room, and what both wrote gets into snapshots', async () => {
    await mount('--spool-size', '3MB', '--quiesce', '0s')
    writeFileSync(join(backup, 'first'), noise(2_000_000, 5))
    expect(statfsSync(backup).bavail * statfsSync(backup).bsize).toBeLessThan(1_200_000)
    // Qt asks at the mount's root.
    expect(statfsSync(mountPoint)).toEqual(statfsSync(backup))
    writeFileSync(join(backup, 'second'), noise(2_000_000, 6))
    await home.ok('flush', mountPoint)
    await restoresTo({ first: noise(2_000_000, 5), second: noise(2_000_000, 6) })
  })

  test('a spool above 70 % has what nobody writes uploaded ahead, keeps it, and the flush has little left to store', async () => {
    const status = () => JSON.parse(readFileSync(join(mountPoint, '.kura/status'), 'utf8')) as SpoolStatus
    await mount('--spool-size', '8MB')
    writeFileSync(join(backup, 'large'), noise(6_000_000, 8))
    await until('the contents in storage', () => {
      utimesSync(backup, 1, 1) // how full the spool is is looked at when something changes
      return storedBytes() >= 6_000_000
    })
    expect(status()).toMatchObject({ state: 'dirty', dirty_files: 1, dirty_bytes: 6_000_000, pre_uploaded: { files: 1, bytes: 6_000_000 } })
    expect(await snapshots()).toEqual([])
    await home.ok('flush', mountPoint)
    expect(status().state).toBe('clean')
    expect(status().last?.new_bytes).toBeLessThan(100_000)
    await restoresTo({ large: noise(6_000_000, 8) })
  })

  test('a limit that is reached while no flush can make room: no space, but all that was taken is there, can be removed and gets into a snapshot', async () => {
    const repository = home.path('repo')
    await mount('--spool-size', '3MB', '--quiesce', '0s')
    writeFileSync(join(backup, 'first'), noise(2_000_000, 5))
    renameSync(repository, `${repository}-away`)
    writeFileSync(repository, 'not a folder')
    expect((await home.run('flush', mountPoint)).status).toBe(1)
    expect(codeOf(() => writeFileSync(join(backup, 'second'), noise(2_000_000, 6)))).toBe('ENOSPC')
    expect(readFileSync(join(backup, 'first')).equals(noise(2_000_000, 5))).toBe(true)
    rmSync(join(backup, 'second'))
    rmSync(repository)
    renameSync(`${repository}-away`, repository)
    await home.ok('flush', mountPoint)
    writeFileSync(join(backup, 'third'), noise(2_000_000, 7))
    await home.ok('flush', mountPoint)
    await restoresTo({ first: noise(2_000_000, 5), third: noise(2_000_000, 7) })
  })

  test('a disk that somebody else has filled: no space for more, nothing that was taken is lost, and with room again all goes on', async () => {
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'kura-test', spool]).status).toBe(0)
    await mount('--spool-size', '1GB', '--spool-reserve', '1KB')
    for (let i = 0; i < 10; i++) writeFileSync(join(backup, `before-${i}`), noise(100_000, i))
    spawnSync('dd', ['if=/dev/zero', `of=${join(spool, 'filler')}`, 'bs=64k'], { stdio: 'ignore' })
    spawnSync('dd', ['if=/dev/zero', `of=${join(spool, 'filler')}`, 'bs=1k', 'oflag=append', 'conv=notrunc'], { stdio: 'ignore' })
    expect(codeOf(() => writeFileSync(join(backup, 'large'), noise(1_000_000, 99)))).toBe('ENOSPC')
    expect(daemon?.exitCode).toBeNull()
    const expectAll = (): void => {
      for (let i = 0; i < 10; i++) expect(readFileSync(join(backup, `before-${i}`)).equals(noise(100_000, i))).toBe(true)
    }
    expectAll()
    await kill()
    rmSync(join(spool, 'filler'))
    await mount('--spool-size', '1GB', '--spool-reserve', '1KB')
    expectAll()
    writeFileSync(join(backup, 'large'), noise(1_000_000, 99))
    await home.ok('flush', mountPoint)
    expect(await snapshots()).toHaveLength(1)
  })
})
