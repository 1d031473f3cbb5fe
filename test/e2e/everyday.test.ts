import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { runFsck } from '../support/referee.ts'
import { repositoryRoot } from '../support/shared.ts'
import { contentBytes } from '../support/source-tree.ts'
import { ended, until } from '../support/wait.ts'

interface Listed {
  readonly id: string
  readonly source: { readonly path: string }
  readonly incomplete?: string
  readonly rootEntry: { readonly obj: string }
}

const program = join(repositoryRoot, 'dist/kura')

/** A person who sets no KOPIA_ variable: configuration, cache and password where they belong below HOME. */
class PlainHome extends KuraHome {
  constructor() {
    super()
    for (const name of ['KOPIA_CONFIG_PATH', 'KOPIA_CACHE_DIRECTORY', 'KOPIA_LOG_DIR', 'KOPIA_PASSWORD']) delete this.env[name]
    for (const name of ['XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME']) delete this.env[name]
    this.env['HOME'] = this.root
  }
}

describe('without any setting', () => {
  const home = new PlainHome()
  const source = home.path('docs')
  afterAll(() => home.remove())

  test('a password is asked for only once, and kept for the owner alone', async () => {
    mkdirSync(source)
    writeFileSync(join(source, 'a.txt'), 'a')
    const refused = await home.run('repository', 'create', 'filesystem', '--path', home.path('repository'))
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(/password/)
    expect(existsSync(home.path('repository', 'kopia.repository.f'))).toBe(false)
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repository'), '--password', 'geheim')
    await home.ok('snapshot', 'create', source)
    const folder = join(home.root, '.config/kopia')
    for (const name of ['repository.config', 'repository.config.kopia-password'])
      expect((statSync(join(folder, name)).mode & 0o077).toString(8)).toBe('0')
    expect(readFileSync(join(folder, 'repository.config.kopia-password'), 'utf8')).not.toContain('geheim')
    expect(readdirSync(join(home.root, '.cache/kopia')).length).toBeGreaterThan(1)
  })

  test('sources may be relative, end in a slash, or be links to folders', async () => {
    symlinkSync('docs', home.path('link'))
    const inHome = (...args: string[]) => spawnSync(program, args, { cwd: home.root, env: home.env, encoding: 'utf8' })
    for (const path of ['docs', './docs/', 'link']) expect(inHome('snapshot', 'create', path)).toMatchObject({ status: 0 })
    const paths = (JSON.parse(await home.ok('snapshot', 'list', '--json', '--show-identical')) as Listed[]).map((s) => s.source.path)
    expect(paths).toEqual([source, source, source, home.path('link')])
    expect(inHome('restore', 'docs/a.txt', 'copy.txt')).toMatchObject({ status: 0 })
    expect(readFileSync(home.path('copy.txt'), 'utf8')).toBe('a')
  })

  test('a reader that stops early is no error of ours', () => {
    const shell = `"${program}" snapshot list --json | head -c 1 >/dev/null; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = spawnSync('bash', ['-c', shell], { env: home.env, encoding: 'utf8' })
    expect(stderr).not.toMatch(/EPIPE|internal error/)
    expect(stdout.trim()).toMatch(/^(0|1|141)$/)
  })

  test('disconnecting forgets configuration, password and caches, not the repository', async () => {
    await home.ok('repository', 'disconnect')
    const left = readdirSync(join(home.root, '.config/kopia'))
    expect(left.filter((name) => /config|password/.test(name) && !name.includes('log'))).toEqual([])
    await home.ok('repository', 'connect', 'filesystem', '--path', home.path('repository'), '--password', 'geheim')
    expect(await home.ok('snapshot', 'list')).toContain(source)
  })
})

describe('several at once', () => {
  const home = new KuraHome()
  afterAll(() => home.remove())
  const sources = Array.from({ length: 5 }, (_, i) => home.path(`source-${i}`))

  beforeAll(async () => {
    for (const [i, source] of sources.entries()) {
      mkdirSync(source)
      for (let j = 0; j < 40; j++)
        writeFileSync(join(source, `file-${j}`), contentBytes({ gen: 'random', seed: i * 100 + j, size: 20_000 }))
    }
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repository'))
  })

  test('snapshots, policies and deletions by many processes do not harm each other', async () => {
    await Promise.all(sources.map((source) => home.ok('snapshot', 'create', source)))
    const all = JSON.parse(await home.ok('snapshot', 'list', '--json')) as Listed[]
    expect(all.map((s) => s.source.path).sort()).toEqual([...sources].sort())
    await Promise.all([
      ...sources.slice(0, 2).map((source) => home.ok('snapshot', 'create', source)),
      ...sources.slice(2, 4).map((source) => home.ok('policy', 'set', source, '--compression=zstd')),
      home.ok('snapshot', 'delete', all.find((s) => s.source.path === sources[4])?.id ?? '', '--delete'),
    ])
    const after = JSON.parse(await home.ok('snapshot', 'list', '--json', '--show-identical')) as Listed[]
    expect(after.length).toBe(6)
    const { output } = await runFsck(home.path('repository'), 'test-password')
    expect(output).toContain('fsck: 0 violations')
  })
})

describe('stopping', () => {
  const home = new KuraHome()
  const source = home.path('source')
  afterAll(() => home.remove())

  test('Ctrl-C keeps what was read as an incomplete snapshot, which the next run goes on from', async () => {
    mkdirSync(source)
    // Far more than is read before the signal, at little cost: sparse files.
    for (let i = 0; i < 6; i++) execFileSync('truncate', ['-s', '2G', join(source, `large-${i}`)])
    writeFileSync(join(source, 'a-small'), 'small')
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repository'))
    const child = home.start('snapshot', 'create', source)
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    child.stdout?.resume()
    const end = ended(child)
    await until('the snapshot to begin', () => said.includes('Snapshotting'))
    await sleepFor(700)
    child.kill('SIGINT')
    await end
    expect(child.exitCode).toBe(1)
    expect(said).toContain('Created partial snapshot')
    expect(said).toContain('saved as an incomplete snapshot')
    expect(await home.ok('snapshot', 'list')).not.toContain('incomplete')
    expect(await home.ok('snapshot', 'list', '--incomplete')).toContain('incomplete:canceled')
    const [left] = JSON.parse(await home.ok('snapshot', 'list', '--json')) as Listed[]
    expect(left?.incomplete).toBe('canceled')
    expect((await runFsck(home.path('repository'), 'test-password')).output).toContain('fsck: 0 violations')
  })
})
