import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { scratchFolders } from '../support/scratch.ts'
import { CapturedIo } from './captured-io.ts'

const scratch = scratchFolders()
let home: string
let env: Record<string, string>

async function kura(
  words: string[],
  change: { env?: Record<string, string>; answers?: string[]; input?: string; terminal?: boolean } = {},
) {
  const io = new CapturedIo()
  io.answers.push(...(change.answers ?? []))
  io.input = Buffer.from(change.input ?? '')
  io.outIsTerminal = change.terminal ?? false
  const status = await runLine(words, { io, env: { ...env, ...change.env } })
  return { status, out: io.output, err: io.errors }
}

async function ok(...words: string[]): Promise<{ out: string; err: string }> {
  const run = await kura(words)
  expect(run.err.includes('internal error') ? run.err : run.status, words.join(' ')).toBe(0)
  return run
}

const configFile = (): string => env['KOPIA_CONFIG_PATH'] as string

beforeAll(async () => {
  home = scratch()
  env = {
    KOPIA_CONFIG_PATH: join(home, 'config', 'repository.config'),
    KOPIA_PASSWORD: ' secret ',
    KOPIA_LOG_DIR: join(home, 'logs'),
    TZ: 'UTC',
  }
  mkdirSync(join(home, 'docs', 'sub'), { recursive: true })
  writeFileSync(join(home, 'docs', 'sub', 'one.txt'), 'one\n')
  writeFileSync(join(home, 'docs', 'two.txt'), 'two two\n')
  symlinkSync('two.txt', join(home, 'docs', 'link'))
  const flags = ['--override-username=ann', '--override-hostname=pc', `--cache-directory=${join(home, 'cache')}`]
  const { out, err } = await ok('repo', 'create', 'filesystem', `--path=${join(home, 'repository')}`, ...flags)
  expect(out).toMatch(/^Retention:\n {2}Annual snapshots: +3 {3}\(defined for this target\)\n/)
  expect(err).toContain('block hash:          BLAKE2B-256-128\n')
})

describe('a new repository', () => {
  test('has the global policy, a maintenance owner, the saved password and the state of the update check', async () => {
    expect((await ok('manifest', 'list')).out.trimEnd().split('\n')).toHaveLength(2)
    expect(JSON.parse((await ok('policy', 'list', '--json')).out)).toMatchObject([{ target: { host: '', userName: '', path: '' } }])
    expect((await ok('manifest', 'list', '--filter=type:maintenance', '--json')).out).toContain('"type":"maintenance"')
    expect(readFileSync(`${configFile()}.kopia-password`, 'utf8')).toBe(Buffer.from('secret').toString('base64'))
    expect(statSync(`${configFile()}.kopia-password`).mode & 0o777).toBe(0o600)
    expect(Object.keys(JSON.parse(readFileSync(`${configFile()}.update-info.json`, 'utf8')) as object)[0]).toBe('nextCheckTimestamp')
  })

  test('is not made over another one', async () => {
    const run = await kura(['repository', 'create', 'filesystem', `--path=${join(home, 'repository')}`, '--create-only'])
    expect(run).toMatchObject({ status: 1, out: '' })
    expect(run.err).toContain('found existing data in storage location')
  })

  test('needs an absolute path', async () => {
    expect((await kura(['repository', 'create', 'filesystem', '--path=relative'])).status).toBe(1)
  })
})

describe('the password', () => {
  test('is taken from the file when not given', async () => {
    expect((await kura(['snapshot', 'list'], { env: { KOPIA_PASSWORD: '' } })).status).toBe(0)
  })

  test('is asked for when not saved; an empty answer repeats the prompt', async () => {
    const words = ['snapshot', 'list', '--no-persist-credentials']
    const run = await kura(words, { env: { KOPIA_PASSWORD: '' }, answers: ['', 'secret'] })
    expect(run).toMatchObject({ status: 0, out: 'Enter password to open repository: '.repeat(2) })
    const never = await kura(words, { env: { KOPIA_PASSWORD: '' }, answers: ['', '', '', '', ''] })
    expect(never.status).toBe(1)
  })

  test('when wrong leaves the line that scripts look for', async () => {
    const run = await kura(['snapshot', 'list', '-p', 'wrong'])
    expect(run.status).toBe(1)
    expect(run.err).toMatch(/^failed to open repository: .*password.*\nopen repository: .*\n$/)
    expect(run.err).not.toContain('wrong\n')
  })
})

describe('snapshots', () => {
  test('are created, listed, shown, restored and deleted', async () => {
    const docs = join(home, 'docs')
    const created = await ok('snapshot', 'create', docs, '--tags=k:v:w', '--pin=p', '--description=d')
    expect(created.out).toBe('')
    const [, root = '', id = ''] = /Created snapshot with root (\S+) and ID (\S+) in \S+\n/.exec(created.err) ?? []
    expect(created.err).toMatch(new RegExp(`^Snapshotting ann@pc:${docs} ...\n`))

    const listed = (await ok('snap', 'ls', '-l', '--manifest-id')).out.split('\n')
    expect(listed[0]).toBe(`ann@pc:${docs}`)
    const fields = (listed[1] as string).slice(2).split(' ')
    expect([fields[3], fields[4], fields[5], fields[7]]).toEqual([root, '12', 'B', `manifest:${id}`])
    expect(listed[1]).toMatch(/files:2 dirs:2 \(latest-1,.*\) pins:p$/)

    const [json] = JSON.parse((await ok('snapshot', 'list', '--json')).out) as [Record<string, unknown>]
    expect(json).toMatchObject({ id, description: 'd', tags: { 'tag:k': 'v:w' }, pins: ['p'] })
    expect(Object.keys(json).at(-1)).toBe('retentionReason')

    expect((await ok('ls', '-r', id)).out.split('\n').sort()).toEqual(
      ['', `${id}/link`, `${id}/sub/`, `${id}/sub/one.txt`, `${id}/two.txt`].sort(),
    )
    expect((await ok('show', `${root}/sub/one.txt`)).out).toBe('one\n')

    const target = join(home, 'restored')
    expect((await ok('restore', id, target)).err).toMatch(/Restored 2 files, 2 directories and 1 symbolic links \(12 B\)\.\n/)
    expect(readFileSync(join(target, 'sub', 'one.txt'), 'utf8')).toBe('one\n')
    expect((await ok('restore', id, target, '--skip-existing')).err).toMatch(/Restored (\d+) files.*skipped (\d+) /)
    expect((await ok('restore', docs, join(home, 'by-path'))).err).toContain(`   Snapshot source: ann@pc:${docs}\n`)
    const refused = await kura(['restore', id, target, '--no-overwrite-files'])
    expect(refused).toMatchObject({ status: 1, out: '' })
    expect(refused.err).toContain('two.txt')

    expect((await ok('snapshot', 'delete', id)).err).toContain('Would delete snapshot')
    await ok('snapshot', 'delete', id, '--delete')
    expect((await ok('snapshot', 'list')).out).toBe('')
  })

  test('are printed as JSON without statistics, on one line', async () => {
    const { out } = await ok('snapshot', 'create', '--json', join(home, 'docs'))
    expect(out.endsWith('}\n')).toBe(true)
    expect(out.trimEnd()).not.toContain('\n')
    expect(Object.keys(JSON.parse(out) as object)).toEqual(['id', 'source', 'description', 'startTime', 'endTime', 'rootEntry'])
  })

  test('run the actions of the policy only where that is allowed', async () => {
    const docs = join(home, 'acted')
    mkdirSync(docs, { recursive: true })
    const script = join(home, 'action.sh')
    writeFileSync(script, 'echo "ran $KOPIA_ACTION" >&2\n')
    await ok('policy', 'set', docs, `--before-snapshot-root-action=${script}`, '--persist-action-script')
    await ok('policy', 'set', docs, '--after-snapshot-root-action=sh -c "echo ran $KOPIA_ACTION >&2"')
    expect((await ok('snapshot', 'create', docs)).err).toContain('actions are not enabled')
    const allowed = (await ok('snapshot', 'create', docs, '--force-enable-actions')).err
    expect(allowed).toMatch(/ran before-snapshot-root\n[\s\S]*ran after-snapshot-root\n/)
    const both = (await ok('snapshot', 'create', docs, '--force-enable-actions', '--force-disable-actions')).err
    expect(both).not.toContain('ran ')
    await ok('policy', 'set', docs, '--before-snapshot-root-action=false')
    const failed = await kura(['snapshot', 'create', docs, '--force-enable-actions'])
    expect(failed.status).toBe(1)
    expect(failed.err).toMatch(/before-snapshot-root of .* failed: exit status 1\n$/)
  })

  test('log what is taken and left as the flags say', async () => {
    const docs = join(home, 'logged')
    mkdirSync(join(docs, 'sub'), { recursive: true })
    writeFileSync(join(docs, 'sub', 'file'), 'file')
    writeFileSync(join(docs, 'left'), 'left')
    await ok('policy', 'set', docs, '--add-ignore=left')
    const all = ['snapshot', 'create', docs, '--log-level=debug', '--log-dir-detail=10', '--log-entry-detail=10']
    // The trace of the storage is apart from this, and comes when it will.
    const first = (await ok(...all)).err.replace(/^\[STORAGE\].*\n/gm, '')
    expect(first).toMatch(/snapshotted directory "sub" dur:\d+ms size:4 files:1 dirs:1 errors:0 mtime:\S+ \S+ UTC oid:k/)
    expect(first).toContain('cache miss "sub/file"\nsnapshotted "sub/file" size:4\n')
    expect(first).toContain('ignored "left" size:4')
    expect((await ok(...all)).err).toContain('cached "sub/file" size:4')
    const none = (await ok('snapshot', 'create', docs, '--log-level=debug', '--log-dir-detail=0', '--log-entry-detail=0')).err
    expect(none).not.toContain('"sub')
    expect((await kura(['snapshot', 'create', docs, '--log-dir-detail=11'])).status).toBe(1)
  })

  test('and policies explain what becomes of a path', async () => {
    const docs = join(home, 'logged')
    const left = (await ok('policy', 'test', join(docs, 'left'), join(docs, 'sub', 'file'))).out
    expect(left).toContain(
      `${docs}/left: left out\n  source: ann@pc:${docs}\n  reason: a rule ignores it\n  rule: left (policy for ${docs})\n`,
    )
    expect(left).toContain(`${docs}/sub/file: kept\n`)
    expect(left).toContain('  compression: none, set by (global)\n')
    const json = JSON.parse((await ok('policy', 'test', join(docs, 'left'), '--json')).out) as object
    expect(json).toMatchObject({ kept: false, reason: 'rule', rule: { text: 'left', from: 'policy', place: docs } })
    expect((await kura(['policy', 'test', '/no/such/file'])).status).toBe(1)
  })

  test('are searched by name, and by path through time', async () => {
    const docs = join(home, 'logged')
    const { out } = await ok('find', 'fil*', `--source=${docs}`)
    expect(out).toMatch(new RegExp(`^ann@pc:${docs}/sub/file\\n  \\S+ \\S+ UTC +4 B  \\S+  in 3 snapshots .* manifest:[0-9a-f]{32}\\n$`))
    const [json] = JSON.parse((await ok('find', 'FILE', '-i', '--json', `--source=${docs}`)).out) as [object]
    expect(json).toMatchObject({ path: 'sub/file', versions: [{ size: 4, snapshotCount: 3, type: 'f' }] })
    expect((await ok('history', join(docs, 'sub', 'file'))).out).toContain(`ann@pc:${docs}/sub/file\n`)
    const [version] = JSON.parse((await ok('history', join(docs, 'sub', 'file'), '--json')).out) as [{ snapshots: object[] }]
    expect(version.snapshots).toHaveLength(3)
    expect((await kura(['history', join(docs, 'none')])).status).toBe(1)
    expect((await kura(['find', 'a/b'])).status).toBe(1)
  })

  test('leave stderr empty when all is well and only warnings are wanted', async () => {
    expect((await ok('snapshot', 'create', '--log-level=warning', '--no-progress', join(home, 'docs'))).err).toBe('')
  })

  test('show progress with the words that scripts look for', async () => {
    const run = await kura(['snapshot', 'create', '--progress', join(home, 'docs')])
    expect(run.err).toMatch(/\r \* 0 hashing, .* hashed .*uploaded .*\n/)
  })

  test.each([
    [['snapshot', 'create', '/no/such/path'], 'no such file or directory'],
    [['snapshot', 'create'], 'no snapshot sources'],
    [['snapshot', 'create', '--all', '/'], 'cannot use --all'],
    [['snapshot', 'create', '/', '--start-time=nonsense'], 'start-time'],
    [['snapshot', 'create', '/', '--start-time=2024-01-02 00:00:00 UTC', '--end-time=2024-01-01 00:00:00 UTC'], 'start time'],
    [['snapshot', 'create', '/', '--checkpoint-interval=46m'], '45m0s'],
    [['snapshot', 'create', '/', '--tags=nocolon'], 'invalid tag format'],
    [['snapshot', 'delete', '0123456789abcdef0123456789abcdef'], 'no snapshots matched'],
    [['snapshot', 'pin', '0123456789abcdef0123456789abcdef'], 'must specify --add and/or --remove'],
    [['snapshot', 'estimate', '/etc/passwd'], 'must be a directory'],
    [['restore', 'a.kopia-entry', 'b'], 'placeholders'],
  ])('%j fails', async (words, message) => {
    const run = await kura(words)
    expect(run).toMatchObject({ status: 1, out: '' })
    expect(run.err).toContain(message)
    expect(run.err).not.toContain('internal error')
  })
})

describe('policies', () => {
  test('are set, exported, imported and deleted', async () => {
    const target = 'ann@pc:/data'
    const { out, err } = await ok(
      'policy',
      'set',
      '--keep-daily=5',
      '--add-ignore=*.b',
      '--add-ignore=*.a',
      '--snapshot-time=18:45,6:30',
      target,
    )
    expect(out).toBe('')
    expect(err).toMatch(/^Setting policy for ann@pc:\/data\n( - .*\n)+$/)
    const exported = (await ok('policy', 'export', target)).out
    expect(JSON.parse(exported)).toMatchObject({
      [target]: {
        retention: { keepDaily: 5 },
        files: { ignore: ['*.a', '*.b'] },
        scheduling: {
          timeOfDay: [
            { hour: 6, min: 30 },
            { hour: 18, min: 45 },
          ],
        },
      },
    })
    await ok('policy', 'delete', target)
    expect((await kura(['policy', 'export', target])).status).toBe(1)
    expect((await kura(['policy', 'import'], { input: exported })).status).toBe(0)
    expect((await ok('policy', 'export', target)).out).toBe(exported)
    expect((await kura(['policy', 'import'], { input: '{"(global)":{"retention":{"keepMillennial":1}}}' })).status).toBe(1)
  })

  test('are manual until scheduled again', async () => {
    const target = 'ann@pc:/manual'
    await ok('policy', 'set', '--manual', target)
    expect((await ok('policy', 'show', target)).out).toContain('Manual snapshot:                      true   (defined for this target)')
    await ok('policy', 'set', '--keep-latest=1', target)
    expect((await ok('policy', 'show', target)).out).toContain('Manual snapshot:                     false')
  })

  test.each([
    [['--keep-latest=x'], 'invalid syntax'],
    [['--manual', '--snapshot-interval=1h'], 'cannot set manual field when scheduling snapshots'],
    [['--snapshot-time-crontab=x'], 'invalid cron expression'],
    [['--snapshot-time=25:00'], 'unable to parse time of day'],
    [['--log-dir-ignored=11'], 'between 0 and 10'],
    [['--compression=lz4'], 'lz4'],
    [[], 'no changes specified'],
  ])('policy set %j fails', async (flags, message) => {
    const run = await kura(['policy', 'set', '--global', ...flags])
    expect(run).toMatchObject({ status: 1, out: '' })
    expect(run.err).toContain(message)
  })

  test('need exactly one kind of target', async () => {
    expect((await kura(['policy', 'show'])).err).toContain('--global')
    expect((await kura(['policy', 'show', '--global', 'x@y'])).err).toContain('--global')
  })
})

describe('policy edit', () => {
  const editor = (change: string): Record<string, string> => {
    const script = join(home, 'editor.sh')
    writeFileSync(script, `#!/bin/sh\n${change}\n`, { mode: 0o755 })
    return { VISUAL: script, EDITOR: 'false' }
  }
  const target = 'ann@pc:/edited'

  test('saves what the editor leaves when the person says yes', async () => {
    const change = `sed -i 's/"retention": {}/"retention": {"keepDaily": 3}/' "$1"`
    expect((await kura(['policy', 'edit', target], { env: editor(change), answers: ['n'] })).status).toBe(0)
    expect((await kura(['policy', 'export', target])).status).toBe(1)
    expect((await kura(['policy', 'edit', target], { env: editor(change), answers: ['y'] })).status).toBe(0)
    expect(JSON.parse((await ok('policy', 'export', target)).out)).toMatchObject({ [target]: { retention: { keepDaily: 3 } } })
  })

  test('asks nothing when nothing has changed', async () => {
    expect(await kura(['policy', 'edit', target], { env: editor(':') })).toMatchObject({ status: 0, out: '' })
  })

  test('asks again after an unknown field, and gives up when told', async () => {
    const run = await kura(['policy', 'edit', target], { env: editor(`echo '{"nonsense":1}' > "$1"`), answers: ['y', 'n'] })
    expect(run).toMatchObject({ status: 1, out: 'Reopen editor to fix? (Y/n) '.repeat(2) })
    expect(run.err).toContain('nonsense')
  })
})

describe('diff', () => {
  test('ends with statistics and shows the lines of files when asked', async () => {
    const folder = join(home, 'changing')
    mkdirSync(folder)
    writeFileSync(join(folder, 'a.txt'), 'before\n')
    const idOf = (out: string): string => (JSON.parse(out) as { id: string }).id
    const first = idOf((await ok('snapshot', 'create', '--json', folder)).out)
    writeFileSync(join(folder, 'a.txt'), 'and after\n')
    writeFileSync(join(folder, 'b.txt'), 'new\n')
    const second = idOf((await ok('snapshot', 'create', '--json', folder)).out)
    const lines = (await ok('diff', first, second)).out.split('\n')
    expect(lines).toContain('./a.txt sizes differ: 7 10')
    expect(lines).toContain('added file ./b.txt (4 bytes)')
    expect(JSON.parse(lines.at(-1) as string)).toMatchObject({ fileEntries: { added: 1, modified: 2 } })
    const shown = (await ok('diff', '-f', first, second)).out
    expect(shown).toContain('\n-before\n')
    expect(shown).toContain('\n+and after\n')
    expect((await ok('diff', '-f', '--diff-command=echo', first, second)).out).toContain('/dev/null new/b.txt\n')
  })
})

describe('parameters and caches', () => {
  test('set-parameters changes what status shows, and refuses what is out of range', async () => {
    expect(await kura(['repository', 'set-parameters'])).toMatchObject({ status: 0, out: '', err: 'no changes\n\n' })
    expect((await kura(['repository', 'set-parameters', '--max-pack-size-mb=121'])).status).toBe(1)
    expect((await kura(['repository', 'set-parameters', '--index-version=1'])).err).toContain('index format version can only be upgraded')
    await ok('repository', 'set-params', '--max-pack-size-mb=44', '--epoch-advance-on-count=22')
    const { out } = await ok('repository', 'status')
    expect(out).toContain('\nMax pack length:     46.1 MB\n')
    expect(out).toContain('\nEpoch advance on:        22 blobs or 10.5 MB, minimum 24h0m0s\n')
  })

  test('cache set, info and clear', async () => {
    expect((await kura(['cache', 'set'])).err).toBe('no changes\n')
    expect((await ok('cache', 'set', '--content-cache-size-mb=33', '--content-min-sweep-age=10m')).out).toBe('')
    const directory = (await ok('cache', 'info', '--path')).out.trimEnd()
    mkdirSync(join(directory, 'contents'), { recursive: true })
    writeFileSync(join(directory, 'contents', 'x.f'), '123')
    writeFileSync(join(directory, 'mine.txt'), 'not a cache file')
    const info = (await ok('cache', 'info')).out
    expect(info).toContain(`${directory}/contents: 1 files 3 B (soft limit: 33 MB, hard limit: none, min sweep age: 10m0s)\n`)
    expect(info.split('\n').filter((line) => line !== '' && !/: [01] files /.test(line))).toEqual([])
    expect(info).not.toContain('mine.txt')
    expect((await ok('cache', 'clear')).out).toBe('')
    expect(readdirSync(directory)).toEqual(['mine.txt'])
  })
})

describe('connections', () => {
  test('can be made again by a token, which replaces the old one', async () => {
    const { out } = await ok('repository', 'status', '-t', '-s')
    const token = /^\$ kopia repository connect from-config --token (\S+)$/m.exec(out)?.[1] as string
    await ok('repository', 'disconnect')
    expect([
      existsSync(configFile()),
      existsSync(`${configFile()}.kopia-password`),
      existsSync(`${configFile()}.update-info.json`),
    ]).toEqual([false, false, false])
    expect((await kura(['snapshot', 'list'])).err).toMatch(/^open repository: repository is not connected/)
    expect((await kura(['repository', 'disconnect'])).status).toBe(1)
    const run = await kura(['repository', 'connect', 'from-config', '--token-stdin', '--no-check-for-updates'], {
      input: `${token}\n`,
      env: { KOPIA_PASSWORD: 'not this one' },
    })
    expect(run).toMatchObject({ status: 0, err: 'Connected to repository.\n' })
    expect(existsSync(`${configFile()}.update-info.json`)).toBe(false)
  })

  test('fail by name', async () => {
    expect((await kura(['repository', 'connect', 'from-config'])).err).toContain(
      'one of --file, --token-file, --token-stdin or --token must be provided',
    )
    expect((await kura(['repository', 'connect', 'from-config', '--token=12'])).err).toContain(
      "can't connect to storage: invalid token: unable to decode token",
    )
    expect((await kura(['repository', 'connect', 'from-config', '--token-file=/no/such'])).err).toContain(
      "can't connect to storage: unable to open token file",
    )
    expect((await kura(['repository', 'connect', 'filesystem', '--path=/no/such'])).err).toContain("can't connect to storage: ")
  })

  test('change their options', async () => {
    await ok('repository', 'set-client', '--read-only', '--description=')
    expect((await ok('repository', 'status')).out).toContain('Read-only:           true\n')
    expect((await kura(['policy', 'set', '--global', '--keep-latest=1'])).status).toBe(1)
    await ok('repository', 'set-client', '--read-write')
    expect((await kura(['repository', 'set-client', '--read-write'])).err).toContain('no changes')
  })
})

describe('log files', () => {
  test('have one record a line and a link to the newest', async () => {
    rmSync(env['KOPIA_LOG_DIR'] as string, { recursive: true, force: true })
    await ok('snapshot', 'list')
    const folder = join(env['KOPIA_LOG_DIR'] as string, 'cli-logs')
    const name = new RegExp(`^kopia-\\d{8}-\\d{6}-${process.pid}-snapshot-list\\.0\\.log$`)
    expect(readdirSync(folder).filter((n) => name.test(n))).toHaveLength(1)
    expect(existsSync(join(folder, 'CACHEDIR.TAG'))).toBe(true)
    const lines = readFileSync(join(folder, 'latest.log'), 'utf8').trimEnd().split('\n')
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (DEBUG|INFO|WARN) [a-z/]+ .*$/)
  })
})

describe('snapshot expire', () => {
  test('says what keeps each snapshot, and wants --yes for more than half of them', async () => {
    const folder = join(home, 'expiring')
    mkdirSync(folder)
    for (const n of [1, 2, 3]) {
      writeFileSync(join(folder, 'file'), `${n}`)
      await ok('snapshot', 'create', folder)
    }
    const zero = ['hourly', 'daily', 'weekly', 'monthly', 'annual'].map((kind) => `--keep-${kind}=0`)
    await ok('policy', 'set', folder, '--keep-latest=1', ...zero)
    const plan = await ok('snapshot', 'expire', folder)
    expect(plan.err).toMatch(/ stays: latest-1\n/)
    expect(plan.err.match(/ goes: no rule keeps it\n/g)).toHaveLength(2)
    expect(plan.err).toContain('2 snapshot(s) of')
    const refused = await kura(['snapshot', 'expire', folder, '--delete'])
    expect(refused.status).toBe(1)
    expect(refused.err).toContain('2 of 3 snapshots')
    expect(JSON.parse((await ok('snapshot', 'list', folder, '--json')).out)).toHaveLength(3)
    await ok('snapshot', 'expire', folder, '--delete', '--yes')
    expect(JSON.parse((await ok('snapshot', 'list', folder, '--json')).out)).toHaveLength(1)
  })
})

describe('snapshot create --stdin-file', () => {
  test('stores standard input as a file and makes the source manual', async () => {
    const source = join(home, 'stream')
    expect((await kura(['snapshot', 'create', source, '--stdin-file=dump'], { input: 'dumped' })).status).toBe(0)
    const [{ rootEntry }] = JSON.parse((await ok('snapshot', 'list', source, '--json')).out)
    expect((await ok('show', `${rootEntry.obj}/dump`)).out).toBe('dumped')
    expect(JSON.parse((await ok('policy', 'show', source, '--json')).out).scheduling.manual).toBe(true)
    expect((await kura(['snapshot', 'create', source, '--stdin-file=../x'])).err).toContain('plain file name')
  })
})
