import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { repositoryRoot } from '../support/shared.ts'
import { whyNoServers } from './object-stores.ts'

interface Mail {
  readonly from: string
  readonly to: readonly string[]
  readonly subject: string
  readonly type: string
  readonly body: string
  readonly tls: boolean
  readonly login: string | null
}

const place = mkdtempSync(join(tmpdir(), 'kura-mail-'))
const certificate = [join(place, 'cert.pem'), join(place, 'key.pem')] as const
const password = 'pa55word-of-the-mail'
let home: KuraHome
let server: ChildProcess | undefined
let lines: AsyncIterator<string>

beforeAll(async () => {
  const [cert, key] = certificate
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key]
  execFileSync('openssl', ['req', '-x509', ...made, '-out', cert, '-days', '2', ...subject], { stdio: 'ignore' })
  home = new KuraHome('test-password', { NODE_EXTRA_CA_CERTS: cert })
  await home.ok('repository', 'create', 'filesystem', `--path=${home.path('repository')}`)
})

afterEach(() => {
  server?.kill()
  server = undefined
})

afterAll(() => {
  home.remove()
  rmSync(place, { recursive: true, force: true })
})

/** Starts the mail server and returns its port. */
async function start(...args: string[]): Promise<string> {
  const python = join(repositoryRoot, 'build/servers/python/bin/python')
  server = spawn(python, [join(repositoryRoot, 'test/servers/smtpd.py'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  lines = createInterface({ input: server.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  return nextLine()
}

/** What the server says next; nothing that it has said is passed over. Throws when the server ends instead. */
async function nextLine(): Promise<string> {
  const { value, done } = await lines.next()
  if (done) throw new Error('the mail server has ended')
  return value
}

const nextMail = async (): Promise<Mail> => JSON.parse(await nextLine()) as Mail

const configure = (port: string, ...more: string[]) =>
  home.run(
    ...['notification', 'profile', 'configure', 'email', '--profile-name=mail', `--smtp-port=${port}`, '--send-test-notification'],
    ...['--mail-from=kura@example.com', '--mail-to=ann@example.com, bob@example.com', ...more],
  )

describe.skipIf(whyNoServers !== undefined)('mail (needs scripts/install-servers)', () => {
  test('goes to all receivers of a plain server, and to those of the copy', async () => {
    const port = await start()
    expect((await configure(port, '--smtp-server=127.0.0.1', '--mail-cc=cy@example.com', '--format=txt')).status).toBe(0)
    const { from, to, tls, subject, type, body } = await nextMail()
    expect({ from, to, tls }).toEqual({
      from: 'kura@example.com',
      to: ['ann@example.com', 'bob@example.com', 'cy@example.com'],
      tls: false,
    })
    expect({ subject, type }).toEqual({ subject: expect.stringMatching(/^Test notification of Kura/), type: 'text/plain' })
    expect(body).toContain('If you received this, your notification configuration')
  })

  test('is encrypted where the server offers it, and the password is given to it alone', async () => {
    const port = await start('--tls', ...certificate, '--login', 'ann', password)
    const run = await configure(port, '--smtp-server=127.0.0.1', '--smtp-username=ann', `--smtp-password=${password}`, '--format=html')
    expect(run).toMatchObject({ status: 0, stdout: '' })
    expect(run.stderr).not.toContain(password)
    const { tls, login, type } = await nextMail()
    expect({ tls, login, type }).toEqual({ tls: true, login: 'PLAIN', type: 'text/html' })
  })

  test('of a snapshot comes when it is made, with its outcome', async () => {
    const port = await start('--tls', ...certificate, '--login', 'ann', password)
    expect((await configure(port)).status).toBe(0)
    expect((await nextMail()).subject).toMatch(/^Test notification of Kura/)
    writeFileSync(home.path('data', 'file'), 'text')
    const run = await home.run('snapshot', 'create', home.path('data'), '--log-level=debug')
    expect(run.status).toBe(0)
    expect(run.stderr).not.toContain(password)
    const { subject, body } = await nextMail()
    expect(subject).toMatch(/^Successfully created a snapshot of/)
    expect(body).toContain('snapshotstatus-success')
  })

  test('that cannot be sent is a warning of the snapshot, and keeps a profile from being saved', async () => {
    const port = await start('--tls', ...certificate, '--login', 'ann', 'another')
    const refused = await configure(port)
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain(`cannot send mail by 127.0.0.1:${port}: `)
    expect(refused.stderr).not.toContain(password)
    server?.kill()
    const run = await home.run('snapshot', 'create', home.path('data'))
    expect(run.status).toBe(0)
    expect(run.stderr).toContain('cannot send a notification by the profile "mail": cannot send mail by 127.0.0.1:')
    expect(run.stderr).toContain('Created snapshot')
  })

  test('never takes a password to another machine in the clear', async () => {
    const port = await start('--login', 'ann', password)
    const run = await configure(port, '--smtp-server=0.0.0.0')
    expect(run.status).toBe(1)
    expect(run.stderr).toMatch(/STARTTLS/)
  })

  test('does not go to a server whose certificate nobody vouches for', async () => {
    const port = await start('--tls', ...certificate, '--login', 'ann', password)
    home.env['NODE_EXTRA_CA_CERTS'] = ''
    const run = await configure(port, '--smtp-server=127.0.0.1', '--smtp-username=ann', `--smtp-password=${password}`)
    expect(run.status).toBe(1)
    expect(run.stderr).toMatch(/self-signed certificate/)
  })
})
