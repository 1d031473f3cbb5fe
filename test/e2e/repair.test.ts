import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { KuraHome } from '../support/kura.ts'
import { runFsck } from '../support/referee.ts'

const home = new KuraHome()
const repository = home.path('repository')
const source = home.path('source')
afterAll(() => home.remove())

/** Files of blobs whose IDs begin so, the folders of the path counted in. */
function blobFiles(prefix: string): string[] {
  const all = readdirSync(repository, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.f'))
  return all.filter((name) => name.replaceAll('/', '').startsWith(prefix)).map((name) => join(repository, name))
}

const everyFile = () =>
  Object.fromEntries(
    readdirSync(repository, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.f'))
      .map((name) => [name, readFileSync(join(repository, name)).toString('base64')]),
  )

interface Finding {
  readonly kind: string
  readonly subject: string
  readonly mendable: boolean
  readonly done?: string
}

async function repair(...flags: string[]): Promise<{ status: number | null; findings: Finding[]; stderr: string }> {
  const run = await home.run('repair', '--json', ...flags)
  return { status: run.status, findings: (JSON.parse(run.stdout) as { findings: Finding[] }).findings, stderr: run.stderr }
}

/** Puts a blob where the storage looks for it. */
async function storeMarker(id: string, text: string): Promise<void> {
  const storage = await filesystemBackend.open(filesystemOptions(repository), false)
  await storage.put(id, [Buffer.from(text)])
  await storage.close()
}

beforeAll(async () => {
  mkdirSync(repository, { recursive: true })
  mkdirSync(join(source, 'folder'), { recursive: true })
  for (let i = 0; i < 20; i++) writeFileSync(join(source, 'folder', `file-${i}`), `content ${i}\n`.repeat(i * 50))
  await home.ok('repository', 'create', 'filesystem', '--path', repository)
  await home.ok('snapshot', 'create', source)
  writeFileSync(join(source, 'folder', 'later'), 'later'.repeat(1000))
  await home.ok('snapshot', 'create', source)
})

describe('kura repair', () => {
  test('finds nothing wrong with a healthy repository, and changes nothing', async () => {
    const before = everyFile()
    expect(await home.ok('repair', '--yes')).toBe('Nothing is wrong.\n')
    expect(await repair()).toMatchObject({ status: 0, findings: [] })
    expect(everyFile()).toEqual(before)
  })

  test('tells of damage and changes nothing before a yes', async () => {
    const [index = ''] = blobFiles('xn')
    copyFileSync(index, home.path('index'))
    truncateSync(index, 10)
    const before = everyFile()
    const { status, findings } = await repair()
    expect(status).toBe(1)
    expect(findings).toMatchObject([{ kind: 'index', mendable: true }])
    expect((await repair('--dry-run', '--yes')).status).toBe(1)
    const plain = await home.run('repair')
    expect(plain.status).toBe(1)
    expect(plain.stdout).toContain('Can be mended: read what the packs say')
    expect(plain.stderr).toContain('--yes')
    expect(everyFile()).toEqual(before)
    copyFileSync(home.path('index'), index)
  })

  test('mends damaged indexes, sessions, the schedule and lost packs in one run, and keeps copies', async () => {
    const snapshots = JSON.parse(await home.ok('snapshot', 'list', '--json')) as { id: string }[]
    for (const index of blobFiles('xn').slice(0, 1)) truncateSync(index, 10)
    writeFileSync(join(repository, 'kopia.maintenance.f'), '')
    await storeMarker('s0123456789abcdef0123456789abcdef-s0123456789abcdef152', 'rubbish')
    const [pack = ''] = blobFiles('p')
    rmSync(pack)
    const { status, findings, stderr } = await repair('--yes')
    expect(findings.map(({ kind }) => kind).sort(), stderr).toEqual(['files', 'index', 'schedule', 'session'])
    expect(status).toBe(0)
    const kept = readdirSync(`${home.env['KOPIA_CONFIG_PATH']}.repair`)
    expect(kept).toHaveLength(3)
    expect(kept).toContain('kopia.maintenance')
    expect(await home.ok('repair')).toBe('Nothing is wrong.\n')
    await home.ok('snapshot', 'verify', '--verify-files-percent=100')
    const after = JSON.parse(await home.ok('snapshot', 'list', '--json')) as { id: string }[]
    expect(after.map(({ id }) => id)).toEqual(expect.arrayContaining(snapshots.map(({ id }) => id)))
    await home.ok('maintenance', 'run', '--full')
    const fsck = await runFsck(repository, 'test-password')
    expect(fsck.status, fsck.output).toBe(0)
  })

  test('puts a lost format blob back from the cache', async () => {
    rmSync(join(repository, 'kopia.repository.f'))
    const look = await repair()
    expect(look).toMatchObject({ status: 1, findings: [{ kind: 'format', mendable: true }] })
    expect(existsSync(join(repository, 'kopia.repository.f'))).toBe(false)
    expect((await repair('--yes')).status).toBe(0)
    await home.ok('repository', 'disconnect')
    await home.ok('repository', 'connect', 'filesystem', '--path', repository)
  })

  test('brings everything back when all indexes are gone', async () => {
    const before = await home.ok('snapshot', 'list', '--json')
    for (const index of blobFiles('x')) rmSync(index)
    expect(await repair('--yes')).toMatchObject({ status: 0, findings: [{ kind: 'index', subject: 'all indexes' }] })
    expect(await home.ok('snapshot', 'list', '--json')).toBe(before)
  })

  test('says what can be done elsewhere when the source is not at hand', async () => {
    renameSync(source, `${source}-away`)
    for (const pack of blobFiles('p')) {
      renameSync(pack, home.path('away', basename(pack)))
    }
    const { status, findings } = await repair('--yes')
    expect(status).toBe(1)
    expect(findings).toMatchObject([{ kind: 'files', mendable: false }])
    const run = await home.run('repair', '--yes')
    expect(run.stdout).toContain('Cannot be mended here: run this command on the computer that has the source')
  })
})
