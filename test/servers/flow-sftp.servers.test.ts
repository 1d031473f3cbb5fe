import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { scratchFolders } from '../support/scratch.ts'
import { type Sshd, startSshd } from './sshd.ts'
import { shortFlow, wholeFlow, wholeFlowTimeoutMs } from './whole-flow.ts'

const scratch = scratchFolders()
let server: Sshd
const homes: KuraHome[] = []
beforeAll(async () => {
  server = await startSshd(scratch(), ['PasswordAuthentication yes', 'PermitRootLogin yes'])
})
afterAll(() => {
  server?.stop()
  for (const home of homes) home.remove()
})

function newHome(extra: NodeJS.ProcessEnv = {}): KuraHome {
  const home = new KuraHome('test-password', extra)
  homes.push(home)
  return home
}

const flags = (path: string, ...more: string[]) => [
  'sftp',
  `--path=${path}`,
  '--host=127.0.0.1',
  `--port=${server.port}`,
  `--username=${server.username}`,
  ...more,
]

describe('a repository on an SFTP server', () => {
  test.concurrent('lives a whole day by a key', { timeout: wholeFlowTimeoutMs }, async () => {
    const storage = () => flags(join(scratch(), 'repo'), `--keyfile=${server.keyfile}`, `--known-hosts=${server.knownHosts}`)
    await wholeFlow(newHome(), { repository: storage(), mirror: storage() })
  })

  test.concurrent('lives a whole day by the ssh command', { timeout: wholeFlowTimeoutMs }, async () => {
    const ssh = `-p ${server.port} -i ${server.keyfile} -o UserKnownHostsFile=${server.knownHosts} -o BatchMode=yes`
    const storage = () => flags(join(scratch(), 'repo'), '--external', `--ssh-args=${ssh}`)
    await wholeFlow(newHome(), { repository: storage(), mirror: storage() })
  })

  test('needs no files once credentials are embedded, and status hides them', async () => {
    const home = newHome()
    const place = scratch()
    await home.ok(
      ...['repository', 'create', ...flags(join(place, 'repo'), `--keyfile=${server.keyfile}`, `--known-hosts=${server.knownHosts}`)],
      '--embed-credentials',
    )
    const config = JSON.parse(readFileSync(home.env['KOPIA_CONFIG_PATH'] as string, 'utf8'))
    expect(config.storage.config).toMatchObject({ keyData: readFileSync(server.keyfile, 'utf8'), externalSSH: false, port: server.port })
    expect(config.storage.config).not.toHaveProperty('keyfile')
    const status = await home.ok('repository', 'status')
    expect(status).toMatch(/Storage available/)
    expect(status).not.toContain('OPENSSH PRIVATE KEY')
  })

  test.skipIf(process.getuid?.() !== 0 || !existsSync('/usr/sbin/useradd'))(
    'opens by a password, which no error shows (skipped unless accounts can be made)',
    async () => {
      const user = `kura${process.pid}`
      execFileSync('useradd', ['-m', user])
      try {
        execFileSync('chpasswd', { input: `${user}:s3cret-of-the-storage` })
        const home = newHome()
        const storage = (password: string) => [
          ...['sftp', `--path=/home/${user}/repo`, '--host=127.0.0.1', `--port=${server.port}`, `--username=${user}`],
          ...[`--sftp-password=${password}`, `--known-hosts=${server.knownHosts}`],
        ]
        await shortFlow(home, storage('s3cret-of-the-storage'))
        const refused = await newHome().run('repository', 'connect', ...storage('wr0ng-secret'))
        expect(refused.status).toBe(1)
        expect(refused.stderr).toMatch(/does not accept the user name with this password/)
        expect(refused.stderr).not.toContain('wr0ng-secret')
      } finally {
        execFileSync('userdel', ['-rf', user], { stdio: 'ignore' })
      }
    },
  )
})

describe('one clear line', () => {
  const line = async (...words: string[]): Promise<string> => {
    const run = await newHome().run('repository', 'connect', ...words)
    expect(run.status).toBe(1)
    expect(run.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2)
    return run.stderr
  }

  test('says that a key or a password is missing', async () => {
    expect(await line(...flags('/x'))).toMatch(/one of --sftp-password, --keyfile or --key-data is needed/)
  })
  test('says that known hosts are missing', async () => {
    expect(await line(...flags('/x', '--sftp-password=x'))).toMatch(/--known-hosts or --known-hosts-data is needed/)
  })
  test('says that there is no repository', async () => {
    expect(await line(...flags(scratch(), `--keyfile=${server.keyfile}`, `--known-hosts=${server.knownHosts}`))).toMatch(/not initialized/)
  })
  test('says that nobody listens', async () => {
    const words = flags('/x', `--keyfile=${server.keyfile}`, `--known-hosts=${server.knownHosts}`).map((w) =>
      w.startsWith('--port') ? '--port=1' : w,
    )
    expect(await line(...words)).toMatch(/ECONNREFUSED|refused/)
  })
})
