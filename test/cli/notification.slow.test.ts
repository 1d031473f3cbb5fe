import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { type FixtureFacts, fixtureFacts, unpackFixture } from '../support/fixtures.ts'
import { scratchFolders } from '../support/scratch.ts'
import { CapturedIo } from './captured-io.ts'

interface NotificationFacts extends FixtureFacts {
  readonly profiles: unknown
  readonly profilesRaw: readonly { readonly profile: string }[]
  readonly profilesText: string
  readonly templatesText: string
  readonly templateText: string
}

const facts = fixtureFacts<NotificationFacts>('notifications')
const scratch = scratchFolders()
let repository: ReturnType<typeof unpackFixture>
let env: Record<string, string>
let home: string
let server: Server
const received: { headers: Record<string, unknown>; body: string }[] = []

async function kura(words: readonly string[], change: (io: CapturedIo) => void = () => undefined) {
  const io = new CapturedIo()
  change(io)
  const status = await runLine(words, { io, env })
  return { status, out: io.output, err: io.errors }
}
const notification = (...words: string[]) => kura(['notification', ...words, '--disable-file-logging'])
const profile = (...words: string[]) => notification('profile', ...words)

beforeAll(async () => {
  repository = unpackFixture('notifications')
  home = scratch()
  mkdirSync(join(home, 'data'))
  writeFileSync(join(home, 'data', 'file'), 'text')
  env = { KOPIA_CONFIG_PATH: join(home, 'repository.config'), KOPIA_PASSWORD: facts.password, TZ: 'UTC', KOPIA_LOG_DIR: join(home, 'logs') }
  const client = ['--override-username=alice', '--override-hostname=laptop', `--cache-directory=${join(home, 'cache')}`]
  expect(await kura(['repository', 'connect', 'filesystem', `--path=${repository.path}`, ...client])).toMatchObject({ status: 0 })
  server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(parts).toString('utf8') })
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(() => {
  repository?.remove()
  server?.close()
})

describe('what Kopia stored', () => {
  test('is listed and shown as Kopia does', async () => {
    expect((await profile('list')).out).toBe(facts.profilesText)
    expect(JSON.parse((await profile('list', '--json')).out)).toEqual(facts.profiles)
    const raw = (await profile('list', '--json', '--raw')).out
    expect(raw).toBe(`[\n${facts.profilesRaw.map((p) => ` ${JSON.stringify(p)}`).join(',\n')}\n]`)
    expect((await profile('show', '--profile-name=mail', '--json', '--raw')).out).toBe(`${JSON.stringify(facts.profilesRaw[1])}\n`)
    expect((await notification('template', 'list')).out).toBe(facts.templatesText)
    expect((await notification('template', 'show', 'test-notification.txt')).out).toBe(facts.templateText)
  })

  test('shows no password and no key of a mail server but raw', async () => {
    const shown = await profile('show', '--profile-name=mail', '--raw')
    expect(shown.out).toBe(facts.profilesText.split('\n\n')[1]?.replace('\n  ', '\n').concat('\n'))
  })

  test('changes where new settings are given, and only there', async () => {
    const changed = await profile('configure', 'email', '--profile-name=mail', '--mail-to=new@example.com', '--min-severity=error')
    expect(changed).toEqual({
      status: 0,
      out: '',
      err: 'Saving notification profile "mail" of type "email" with severity "error".\n',
    })
    const shown = JSON.parse((await profile('show', '--profile-name=mail', '--json', '--raw')).out)
    expect(shown).toMatchObject({ minSeverity: 20, method: { config: { to: 'new@example.com', smtpPassword: 'p', smtpPort: 2525 } } })
  })
})

describe('wrong use', () => {
  test.each([
    [
      ['profile', 'configure', 'webhook', '--profile-name=q', '--http-header=abc', '--endpoint=http://x'],
      'invalid --http-header "abc", must be key:value, try --help',
    ],
    [['profile', 'configure', 'webhook', '--profile-name=q', '--endpoint=ftp://x'], 'invalid endpoint scheme, must be http:// or https://'],
    [['profile', 'configure', 'email', '--profile-name=push'], 'profile "push" already exists but is not of type "email"'],
    [['profile', 'configure', 'email', '--profile-name=q'], 'SMTP server must be provided'],
    [['profile', 'configure', 'testsender', '--profile-name=q'], 'expected command but got "testsender"'],
    [['profile', 'configure', 'email'], "required flag(s) '--profile-name' not provided"],
    [['profile', 'show', '--profile-name=q'], 'profile not found'],
    [['profile', 'test', '--profile-name=q'], 'profile not found'],
    [['template', 'show', 'q.txt'], 'there is no template q.txt'],
    [['template', 'set', 'q.txt'], 'must specify either --from-file, --from-stdin or --editor'],
  ])('%j', async (words, message) => {
    const run = await notification(...words, '--error-notifications=never')
    expect(run).toMatchObject({ status: 1, out: '' })
    expect(run.err).toContain(message)
  })

  test('deleting what is not there is none', async () => {
    expect(await profile('delete', '--profile-name=q')).toEqual({ status: 0, out: '', err: '' })
    expect(await notification('template', 'remove', 'q.txt')).toEqual({ status: 0, out: '', err: '' })
  })
})

describe('templates', () => {
  test('are set from standard input and files, shown, listed and removed', async () => {
    const set = await kura(['notification', 'template', 'set', 'snapshot-report.txt', '--from-stdin'], (io) => {
      io.input = Buffer.from('Subject: s\n\nbody\n\n\n')
    })
    expect(set).toEqual({ status: 0, out: '', err: '' })
    expect((await notification('template', 'show', 'snapshot-report.txt')).out).toBe('Subject: s\n\nbody\n')
    expect((await notification('template', 'show', 'snapshot-report.txt', '--original')).out).toContain('{{.EventArgs.OverallStatus}}')
    const file = join(home, 'template')
    writeFileSync(file, 'Subject: f\n\nfile')
    await notification('template', 'set', 'snapshot-report.txt', `--from-file=${file}`)
    expect((await notification('template', 'show', 'snapshot-report.txt')).out).toBe('Subject: f\n\nfile\n')
    const rows = JSON.parse((await notification('template', 'list', '--json')).out) as { name: string; isBuiltIn?: boolean }[]
    expect(rows.find((r) => r.name === 'snapshot-report.txt')).toEqual({ name: 'snapshot-report.txt', lastModified: expect.any(String) })
    expect(rows.find((r) => r.name === 'generic-error.html')).toEqual({ name: 'generic-error.html', isBuiltIn: true })
    await notification('template', 'remove', 'snapshot-report.txt')
    expect((await notification('template', 'list')).out).toMatch(/^snapshot-report\.txt +<built-in> +$/m)
  })

  test('from the editor are taken once they can be rendered', async () => {
    const editor = join(home, 'editor.sh')
    const attempts = join(home, 'attempts')
    writeFileSync(
      editor,
      `echo x >>'${attempts}'\nif [ $(wc -l <'${attempts}') = 1 ]; then printf 'Subject: a\\n\\n{{.Wrong}}' >"$1"; else printf 'Subject: b\\n\\nright' >"$1"; fi\n`,
    )
    env['EDITOR'] = `sh ${editor}`
    const run = await kura(['notification', 'template', 'set', 'generic-error.txt', '--editor'], (io) => io.answers.push('y'))
    expect(run.status).toBe(0)
    expect(run.err).toContain('there is no .Wrong here')
    expect(readFileSync(attempts, 'utf8')).toBe('x\nx\n')
    expect((await notification('template', 'show', 'generic-error.txt')).out).toBe('Subject: b\n\nright\n')
    await notification('template', 'remove', 'generic-error.txt')
  })
})

describe('a profile that works', () => {
  const snapshot = (...words: string[]) => kura(['snapshot', 'create', ...words, '--no-auto-maintenance', '--disable-file-logging'])

  beforeAll(async () => {
    for (const name of ['hook', 'mail', 'push']) await profile('delete', `--profile-name=${name}`)
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret`
    const configured = await profile('configure', 'webhook', '--profile-name=w', `--endpoint=${endpoint}`, '--send-test-notification')
    expect(configured).toMatchObject({ status: 0, out: '' })
    expect(received.shift()?.headers['subject']).toBe('own subject')
  })

  test('is told of a snapshot, unless that is not wanted', async () => {
    expect(await snapshot(join(home, 'data'))).toMatchObject({ status: 0, out: '' })
    expect(received.shift()?.headers['subject']).toMatch(/^Successfully created a snapshot of .*data on /)
    await snapshot(join(home, 'data'), '--no-send-snapshot-report')
    expect(received).toEqual([])
  })

  test('is told of a snapshot that failed, and of the command', async () => {
    expect((await snapshot(join(home, 'missing'))).status).toBe(1)
    expect(received.splice(0).map((r) => r.headers['subject'])).toEqual([
      expect.stringMatching(/^Failed to create a snapshot of /),
      expect.stringMatching(/^Error during snapshot create on /),
    ])
  })

  test.each([
    ['never', false, 0],
    ['always', true, 1],
    ['non-interactive', true, 0],
    ['non-interactive', false, 1],
  ])('with --error-notifications=%s and a terminal: %s is told of %i errors', async (when, isTerminal, count) => {
    const words = ['show', 'zzz', `--error-notifications=${when}`, '--disable-file-logging']
    const run = await kura(words, (io) => {
      io.outIsTerminal = isTerminal
    })
    expect(run.status).toBe(1)
    expect(received.splice(0)).toHaveLength(count)
  })

  test('is not told of errors of usage', async () => {
    await kura(['show', '--no-such-flag', '--error-notifications=always'])
    expect(received).toEqual([])
  })

  test('that cannot be reached makes a warning, not a failure, and is saved only without a test message', async () => {
    const away = ['configure', 'webhook', '--profile-name=w', '--endpoint=http://127.0.0.1:1/secret']
    const tested = await profile(...away, '--send-test-notification', '--error-notifications=never')
    expect(tested).toMatchObject({ status: 1 })
    expect(tested.err).not.toContain('secret')
    expect((await profile('show', '--profile-name=w')).out).not.toContain('127.0.0.1:1/')
    expect((await profile(...away)).status).toBe(0)
    const run = await snapshot(join(home, 'data'))
    expect(run.status).toBe(0)
    expect(run.err).toContain('cannot send a notification by the profile "w": cannot send to 127.0.0.1:1')
    expect(run.err).not.toContain('secret')
  })
})
