import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { memoryStorage } from '#repo/blob/memory.ts'
import { createRepository } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { type NotificationEvent, unmadeSnapshot } from '#snapshot/notify/events.ts'
import { deleteProfile, findProfile, listProfiles, profileSummary, saveProfile } from '#snapshot/notify/profiles.ts'
import { type SendSettings, sendNotification, sendTestMessage } from '#snapshot/notify/send.ts'
import { caughtMessages } from '#snapshot/notify/senders/test-sender.ts'
import { severities } from '#snapshot/notify/severity.ts'
import { removeTemplate, setTemplate } from '#snapshot/notify/templates.ts'
import { fastKey } from '../../support/fast-key.ts'

interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

let repository: DirectRepository
let server: Server
let received: Received[]
let answer: number
const warnings: string[] = []

const settings: SendSettings = {
  forms: { bytes: (n) => `${n} bytes`, duration: (ns) => `${ns / 1_000_000n}ms` },
  hostname: 'box',
  version: '9.9',
  buildInfo: 'built',
  nowNs: 1_700_000_000_000_000_000n,
  warn: (message) => warnings.push(message),
  timeoutMs: 60_000,
}

beforeEach(async () => {
  const storage = memoryStorage()
  await createRepository(storage, { deriveKey: fastKey }, 'secret')
  repository = await openRepositoryDirectly(storage, 'secret', { deriveKey: fastKey })
  received = []
  answer = 200
  warnings.length = 0
  caughtMessages.length = 0
  server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      received.push({ method, url, headers, body: Buffer.concat(parts).toString('utf8') })
      response.writeHead(answer).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  await new Promise((resolve) => server.close(resolve))
  await repository.close()
})

const place = () => `127.0.0.1:${(server.address() as AddressInfo).port}`
const webhook = (config: Record<string, string> = {}, minSeverity: number = severities.report) =>
  saveProfile(repository, { name: 'hook', type: 'webhook', config: { endpoint: `http://${place()}/secret-path`, ...config }, minSeverity })

const failure: NotificationEvent = {
  name: 'generic-error',
  operation: 'snapshot create',
  operationDetails: 'snapshot create',
  startNs: 1_699_999_000_000_000_000n,
  endNs: 1_700_000_000_000_000_000n,
  errorMessage: 'disk <gone>',
  errorDetails: '',
}

const report = (size: number, before: number | undefined, error = ''): NotificationEvent => {
  const withSize = (bytes: number) => ({
    ...unmadeSnapshot({ user: 'ann', host: 'pc', path: '/data & more' }, 1_699_999_000_000_000_000n),
    rootEntry: {
      name: 'data',
      type: 'd',
      mode: 0o755,
      sizeBytes: 0,
      modifiedNs: 0n,
      uid: 0,
      gid: 0,
      objectId: '' as const,
      summary: {
        totalBytes: bytes,
        fileCount: bytes / 10,
        symlinkCount: 0,
        directoryCount: 2,
        maxTimeNs: 0n,
        fatalErrorCount: 0,
        ignoredErrorCount: 1,
        errors: [{ path: 'a<b', error: 'denied' }],
      },
    },
  })
  return {
    name: 'snapshot-report',
    snapshots: [{ manifest: withSize(size), previous: before === undefined ? undefined : withSize(before), error }],
  }
}

describe('profiles', () => {
  test('are stored with their defaults, found by name and deleted', async () => {
    await webhook()
    await saveProfile(repository, {
      name: 'mail',
      type: 'email',
      config: { smtpServer: 'mx', from: 'a@b', to: 'c@d' },
      minSeverity: severities.error,
    })
    expect((await listProfiles(repository)).map((p) => p.name)).toEqual(['hook', 'mail'])
    expect((await findProfile(repository, 'mail'))?.config).toMatchObject({ smtpPort: 587, format: 'html', cc: '' })
    await deleteProfile(repository, 'mail')
    await deleteProfile(repository, 'mail')
    expect(await findProfile(repository, 'mail')).toBeUndefined()
  })

  test.each([
    ['email', {}, 'SMTP server must be provided'],
    ['email', { smtpServer: 'x' }, 'From address must be provided'],
    ['email', { smtpServer: 'x', from: 'a' }, 'To address must be provided'],
    ['email', { smtpServer: 'x', from: 'a', to: 'b', smtpPort: 99_999 }, 'SMTP port 99999 does not exist'],
    ['pushover', {}, 'App Token must be provided'],
    ['pushover', { appToken: 'x' }, 'User Key must be provided'],
    ['webhook', { endpoint: 'ftp://x' }, 'invalid endpoint scheme, must be http:// or https://'],
    ['webhook', {}, 'invalid endpoint scheme'],
    ['carrier-pigeon', {}, 'not known here'],
  ])('of type %s with settings %j are refused', async (type, config, message) => {
    const profile = { name: 'p', type, config, minSeverity: 0 }
    await expect(saveProfile(repository, profile)).rejects.toThrow(message)
    expect(profileSummary(profile)).toBe(`${type} - invalid`)
  })
})

describe('a webhook', () => {
  test('gets the body, the subject as a header, and the headers that are set', async () => {
    await webhook({ method: 'PUT', headers: 'X-One: 1\nsubject-two: zwei' })
    await sendNotification(repository, failure, severities.error, settings)
    expect(received).toHaveLength(1)
    expect(received[0]).toMatchObject({
      method: 'PUT',
      url: '/secret-path',
      headers: { subject: 'Error during snapshot create on box', 'x-one': '1', 'subject-two': 'zwei' },
    })
    expect(received[0]?.body).toContain('disk <gone>')
    expect(warnings).toEqual([])
  })

  test('gets text that is not Latin as UTF-8, also in headers, and no line of a header becomes another', async () => {
    await setTemplate(
      repository,
      'generic-error.txt',
      'Subject: schön ☃ {{.EventArgs.ErrorMessage}}\nX-More: {{printf "a\\rB: c"}}\n\nBödy',
    )
    await webhook()
    await sendNotification(repository, failure, severities.error, settings)
    expect(Buffer.from(String(received[0]?.headers['subject']), 'latin1').toString('utf8')).toBe('schön ☃ disk <gone>')
    expect(received[0]?.headers['b']).toBeUndefined()
    expect(received[0]?.body).toBe('Bödy')
  })

  test.each([201, 204, 302, 404, 500])('that answers %i has failed; the warning names the profile, not the address', async (status) => {
    answer = status
    await webhook()
    await sendNotification(repository, failure, severities.error, settings)
    expect(warnings).toEqual([
      `cannot send a notification by the profile "hook": the webhook at ${place()} answered with status ${status} instead of 200`,
    ])
  })

  test('that does not answer is given up', async () => {
    server.removeAllListeners('request')
    await webhook({ endpoint: `http://user:pass@${place()}/x` })
    await sendNotification(repository, failure, severities.error, { ...settings, timeoutMs: 150 })
    expect(warnings[0]).toMatch(/^cannot send a notification by the profile "hook": cannot send to 127\.0\.0\.1:\d+: /)
    expect(warnings[0]).not.toContain('pass')
    server.closeAllConnections()
  })

  test('that is not there is told of, and others are told of the event all the same', async () => {
    await webhook({ endpoint: 'http://127.0.0.1:1/x' })
    await saveProfile(repository, { name: 'other', type: 'testsender', config: {}, minSeverity: 0 })
    await sendNotification(repository, failure, severities.error, settings)
    expect(warnings).toHaveLength(1)
    expect(caughtMessages.map((m) => m.severity)).toEqual([severities.error])
  })
})

describe('Pushover', () => {
  test.each([
    ['html', '1'],
    ['txt', undefined],
  ])('gets subject and text as JSON, in the format %s', async (format, html) => {
    const config = { appToken: 'tok', userKey: 'usr', format, endpoint: `http://${place()}/messages` }
    await saveProfile(repository, { name: 'push', type: 'pushover', config, minSeverity: severities.verbose })
    await sendNotification(repository, failure, severities.error, settings)
    const sent = JSON.parse(received[0]?.body ?? '') as Record<string, string>
    expect(sent).toMatchObject({ token: 'tok', user: 'usr' })
    expect(sent['html']).toBe(html)
    expect(sent['message']).toMatch(/^Error during snapshot create on box\n\n/)
    expect(received[0]?.headers['content-type']).toBe('application/json')
  })
})

describe('an event', () => {
  const caught = async (event: NotificationEvent, severity: number): Promise<string> => {
    await sendNotification(repository, event, severity, settings)
    const { subject = '', body = '' } = caughtMessages.shift() ?? {}
    return `${subject}\n${body}`
  }
  const profile = (format: string, minSeverity: number = severities.report) =>
    saveProfile(repository, { name: 'catch', type: 'testsender', config: { format }, minSeverity })

  test('goes to the profiles whose minimum it reaches', async () => {
    await profile('txt', severities.warning)
    await sendNotification(repository, failure, severities.report, settings)
    expect(caughtMessages).toEqual([])
    await sendNotification(repository, failure, severities.warning, settings)
    expect(caughtMessages).toHaveLength(1)
  })

  test('of snapshots is told with what has changed', async () => {
    await profile('txt')
    const text = await caught(report(3000, 2000), severities.report)
    expect(text).toContain('Successfully created a snapshot of /data & more on box')
    expect(text).toContain('Size:        3000 bytes (+1000 bytes)')
    expect(text).toContain('Files:       300 (+100)')
    expect(text).toContain('Directories: 2\n')
    expect(text).toContain('- a<b: denied')
    expect(await caught(report(1000, 2000, 'no room'), severities.error)).toMatch(/Failed to create a snapshot of[\s\S]*no room/)
  })

  test('of snapshots as HTML escapes what people have named', async () => {
    await profile('html')
    const text = await caught(report(1000, 2000), severities.report)
    expect(text).toContain('<tr class="snapshotstatus-warnings">')
    expect(text).toContain('/data &amp; more')
    expect(text).toContain('a&lt;b')
    expect(text).toContain('<span class="decrease">(&#x2193; 1000 bytes)</span>')
  })

  test('has the text of the template for this profile, else of the customised one, else the built-in one', async () => {
    await profile('txt')
    await setTemplate(repository, 'generic-error.txt', 'Subject: all\n\nx')
    await setTemplate(repository, 'catch.generic-error.txt', 'Subject: mine\n\nx')
    expect(await caught(failure, severities.error)).toBe('mine\nx')
    await removeTemplate(repository, 'catch.generic-error.txt')
    expect(await caught(failure, severities.error)).toBe('all\nx')
    await removeTemplate(repository, 'generic-error.txt')
    expect(await caught(failure, severities.error)).toContain('Error during snapshot create')
  })

  test.each([
    ['Subject: no body', 'the message has no text'],
    ['Subject: x\n\n{{.Wrong}}', 'there is no .Wrong here'],
  ])('whose template is bad is a warning: %j', async (template, message) => {
    await profile('txt')
    await setTemplate(repository, 'generic-error.txt', template)
    await sendNotification(repository, failure, severities.error, settings)
    expect(warnings.join()).toContain(message)
    expect(caughtMessages).toEqual([])
  })

  test('is not lost because a profile is of a type that we do not know', async () => {
    await repository.manifests.put(
      { type: 'notificationProfile', profile: 'odd' },
      '{"profile":"odd","method":{"type":"pigeon","config":{}},"minSeverity":0}',
    )
    await profile('txt')
    await sendNotification(repository, failure, severities.error, settings)
    expect(warnings.join()).toContain('"odd"')
    expect(caughtMessages).toHaveLength(1)
  })
})

test('the test message goes out whatever the minimum of the profile is', async () => {
  await saveProfile(repository, { name: 'quiet', type: 'testsender', config: {}, minSeverity: severities.error })
  const profile = await findProfile(repository, 'quiet')
  if (!profile) throw new Error('the profile is gone')
  await sendTestMessage(repository, profile, settings)
  expect(caughtMessages[0]).toMatchObject({ severity: severities.success })
  expect(caughtMessages[0]?.body).toContain('If you received this, your notification configuration')
})
