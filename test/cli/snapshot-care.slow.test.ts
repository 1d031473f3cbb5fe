import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { scratchFolders } from '../support/scratch.ts'
import { CapturedIo } from './captured-io.ts'

const scratch = scratchFolders()
let home: string
let docs: string

/** Runs a command as the person whose configuration has this name. */
async function kura(person: string, ...words: string[]) {
  const io = new CapturedIo()
  const env = {
    KOPIA_CONFIG_PATH: join(home, person, 'repository.config'),
    KOPIA_PASSWORD: 'secret',
    KOPIA_LOG_DIR: join(home, 'logs'),
    TZ: 'UTC',
  }
  const status = await runLine([...words, '--no-auto-maintenance'], { io, env })
  expect(io.errors).not.toContain('internal error')
  return { status, out: io.output, err: io.errors }
}

async function ok(person: string, ...words: string[]) {
  const run = await kura(person, ...words)
  expect(run.status === 0 ? 0 : run.err, words.join(' ')).toBe(0)
  return run
}

const idOf = async (person: string): Promise<string> => {
  const list = JSON.parse((await ok(person, 'snapshot', 'list', '--json', '--all')).out) as { id: string }[]
  return list.at(-1)?.id ?? ''
}

beforeAll(async () => {
  home = scratch()
  docs = join(home, 'docs')
  mkdirSync(join(docs, 'sub'), { recursive: true })
  writeFileSync(join(docs, 'sub', 'secret.key'), 'secret')
  writeFileSync(join(docs, 'two.txt'), 'two two\n')
  const flags = ['--override-username=ann', '--override-hostname=pc']
  for (const person of ['ann', 'ben'])
    await ok(
      person,
      'repo',
      'create',
      'filesystem',
      `--path=${join(home, person, 'blobs')}`,
      `--cache-directory=${join(home, person, 'cache')}`,
      ...flags,
    )
  await ok('ann', 'snapshot', 'create', docs)
})

describe('placeholders', () => {
  test('are restored, expanded and snapshotted', async () => {
    const target = join(home, 'shallow')
    const id = await idOf('ann')
    expect((await ok('ann', 'restore', id, target, '--shallow=0')).err).toContain('Restored 1 files, 2 directories and 0 symbolic links')
    expect(readdirSync(target).sort()).toEqual(['sub.kopia-entry', 'two.txt.kopia-entry'])
    await ok('ann', 'restore', join(target, 'two.txt.kopia-entry'), join(target, 'sub.kopia-entry'))
    expect(readdirSync(target, { recursive: true }).sort()).toEqual(['sub', 'sub/secret.key.kopia-entry', 'two.txt'])
    await ok('ann', 'restore', join(target, 'sub', 'secret.key.kopia-entry'))
    expect(readFileSync(join(target, 'sub', 'secret.key'), 'utf8')).toBe('secret')
  })

  test('are refused together with other sources, and in archives', async () => {
    const mixed = await kura('ann', 'restore', join(home, 'x.kopia-entry'), join(home, 'y'))
    expect(mixed).toMatchObject({ status: 1, out: '' })
    expect(mixed.err).toContain('either all arguments are placeholders')
    expect((await kura('ann', 'restore', join(home, 'x.kopia-entry'), '--mode=tar')).err).toContain('only be expanded in place')
    expect((await kura('ann', 'restore', join(home, 'x.kopia-entry'))).status).toBe(1)
  })

  test('are not needed to go on with a restore', async () => {
    const target = join(home, 'whole')
    const id = await idOf('ann')
    await ok('ann', 'restore', id, target)
    for (const how of ['time', 'content'])
      expect((await ok('ann', 'restore', id, target, `--resume=${how}`)).err).toMatch(
        /Restored 0 files, 2 directories .*, skipped 2 \(14 B\)/,
      )
  })
})

describe('another repository', () => {
  test('takes over snapshots and policies, once', async () => {
    await ok('ann', 'policy', 'set', docs, '--keep-latest=7')
    const words = ['snapshot', 'migrate', `--source-config=${join(home, 'ann', 'repository.config')}`]
    expect((await kura('ben', ...words)).err).toContain('must specify either --all or --sources')
    const first = await ok('ben', ...words, '--all')
    expect(first.err).toMatch(
      new RegExp(`migrated policy for ann@pc:${docs}\\n[\\s\\S]*migrating snapshot ann@pc:${docs} at [\\s\\S]*\\r\\n`),
    )
    expect((await ok('ben', ...words, '--all')).err).toContain(`already migrated ann@pc:${docs}`)
    const target = join(home, 'from-ben')
    await ok('ben', 'restore', await idOf('ben'), target)
    expect(readFileSync(join(target, 'two.txt'), 'utf8')).toBe('two two\n')
    expect((await ok('ben', 'policy', 'show', docs)).out).toMatch(/Latest snapshots: +7/)
    expect((await kura('ben', 'snapshot', 'migrate', '--all', `--source-config=${join(home, 'none')}`)).status).toBe(1)
  })
})

describe('fixing', () => {
  test('shows what would become of the snapshots, and replaces them when told to', async () => {
    const id = await idOf('ann')
    const words = ['snapshot', 'fix', 'remove-files', '--filename=*.key']
    const dry = await ok('ann', ...words)
    expect(dry.err).toContain(`will remove ann@pc:${docs}/sub/secret.key\n`)
    expect(dry.err).toContain(`replaced manifest from ${id} to ${id}\n    diff k`)
    expect(dry.err).toContain('Fixed 1 snapshots, but snapshot manifests were not updated. Pass --commit to update snapshots.')
    expect(await idOf('ann')).toBe(id)
    expect((await ok('ann', ...words, '--commit')).err).toContain('delta:-6 B\nFixed and committed 1 snapshots.')
    expect(await idOf('ann')).not.toBe(id)
    expect((await ok('ann', 'ls', '-r', await idOf('ann'))).out).not.toContain('secret')
    expect((await ok('ann', ...words, '--commit')).err).toContain('No changes.')
  })

  test('needs to know what to remove, and from which snapshots', async () => {
    expect((await kura('ann', 'snapshot', 'fix', 'remove-files')).err).toContain('must specify files to remove')
    expect((await kura('ann', 'snapshot', 'fix', 'remove-files', '--filename=[')).status).toBe(1)
    expect((await kura('ann', 'snapshot', 'fix', 'remove-files', '--filename=x', '--source=/none')).err).toContain('no snapshots for /none')
    expect((await kura('ann', 'snapshot', 'fix', 'invalid-files', `--manifest-id=${'0'.repeat(32)}`)).status).toBe(1)
  })

  test('finds nothing wrong with what is right', async () => {
    const run = await ok('ann', 'snapshot', 'fix', 'invalid-files', '--verify-files-percent=100', '--invalid-file-handling=fail')
    expect(run.err).toContain('No changes.')
  })
})
