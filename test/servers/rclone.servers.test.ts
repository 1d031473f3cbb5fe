import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { StorageError } from '#repo/blob/errors.ts'
import { loopbackCertificate } from '#repo/blob/rclone/certificate.ts'
import { RcloneChild } from '#repo/blob/rclone/child.ts'
import { formatRcloneOptions, parseRcloneOptions } from '#repo/blob/rclone/options.ts'
import { openStorage } from '#repo/blob/registry.ts'
import { retrying } from '#repo/blob/wrap/retry.ts'
import { conformance, listed } from '../support/blob-conformance.ts'
import { KuraHome } from '../support/kura.ts'
import { scratchFolders } from '../support/scratch.ts'
import { wholeFlow, wholeFlowTimeoutMs } from './whole-flow.ts'

const scratch = scratchFolders()
const config = (remotePath: string, changes: object = {}) => ({
  remotePath,
  startupTimeout: '2m',
  atomicWrites: true,
  dirShards: null,
  ...changes,
})
const open = (remotePath: string, changes: object = {}) => openStorage({ type: 'rclone', config: config(remotePath, changes) }, true)

conformance('rclone with a folder as its remote', async () => retrying()(await open(scratch(), { atomicWrites: false })), {
  'a modification time that was asked for is kept': 'WebDAV has no way to set it',
  'readers see one whole version while a blob is replaced': 'rclone removes the old file before it renames',
})

/** Command line and environment of a process. */
const processText = (pid: number, file: string): string => readFileSync(`/proc/${pid}/${file}`, 'latin1')
const childrenOfTest = (): number[] =>
  readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
    .split(' ')
    .filter((pid) => pid !== '' && processText(Number(pid), 'cmdline').includes('rclone'))
    .map(Number)

describe('the rclone child', () => {
  test('has its password in the environment, not among its arguments, and a group of its own', async () => {
    const child = await RcloneChild.start(parseRcloneOptions(config(scratch())))
    const { password } = await child.address
    const pid = child.pid as number
    expect(processText(pid, 'cmdline')).not.toContain(password)
    expect(processText(pid, 'environ')).toContain(password)
    const group = processText(pid, 'stat').split(') ')[1]?.split(' ')[2]
    expect(Number(group)).toBe(pid)
    await child.stop()
    expect(existsSync(`/proc/${pid}`)).toBe(false)
  })

  test('is started again after it was killed', async () => {
    const before = new Set(childrenOfTest())
    const storage = retrying({ firstSleepMs: 50 })(await open(scratch()))
    await storage.put('a', [Buffer.from('x')])
    const [pid] = childrenOfTest().filter((p) => !before.has(p))
    process.kill(pid as number, 'SIGKILL')
    await sleep(50)
    expect((await storage.get('a')).toString()).toBe('x')
    await storage.close()
    expect(childrenOfTest().filter((p) => !before.has(p))).toEqual([])
  })

  test('leaves no files behind, neither after a good end nor after a bad start', async () => {
    const own = () => readdirSync(tmpdir()).filter((name) => name.startsWith('kura-rclone-'))
    const before = own()
    await (await open(scratch())).close()
    await expect(open('nosuchremote:path')).rejects.toThrow(StorageError)
    expect(own().filter((name) => !before.includes(name))).toEqual([])
  })

  test('says its last words when it does not start', async () => {
    await expect(open('nosuchremote:path')).rejects.toThrow(/rclone ended before it served.*section in config file/)
    await expect(open('/tmp', { rcloneExe: 'no-such-rclone' })).rejects.toThrow(/cannot run "no-such-rclone".*--rclone-exe/)
  })

  test('that is too slow is given up', async () => {
    const slow = join(scratch(), 'slow')
    writeFileSync(slow, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 })
    await expect(open('/tmp', { rcloneExe: slow, startupTimeout: '200ms' })).rejects.toThrow(/not ready after 0.2 s/)
  })

  test('gets the embedded configuration and the given environment', async () => {
    const folder = scratch()
    mkdirSync(join(folder, 'below'))
    const embeddedConfig = `[there]\ntype = alias\nremote = ${folder}\n`
    const storage = await open('there:below', { embeddedConfig, rcloneEnv: [`PATH=${process.env['PATH']}`, 'HOME=/nonexistent'] })
    await storage.put('a', [Buffer.from('x')])
    expect(readdirSync(join(folder, 'below'))).toContain('a.f')
    await storage.close()
  })
})

test('what another client wrote is seen at once', async () => {
  const folder = scratch()
  const storage = await open(folder)
  expect(await listed(storage, '')).toEqual([])
  writeFileSync(join(folder, 'new.f'), 'x')
  expect(await listed(storage, '')).toEqual(['new'])
  await storage.close()
})

test('the certificate is for loopback, signed by itself, valid now', () => {
  const { certificate, key } = loopbackCertificate()
  const parsed = new X509Certificate(certificate)
  expect(parsed.verify(parsed.publicKey)).toBe(true)
  expect(parsed.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect(Date.parse(parsed.validFrom)).toBeLessThan(Date.now())
  expect(Date.parse(parsed.validTo)).toBeGreaterThan(Date.now() + 300 * 86_400_000)
  expect(key).toContain('PRIVATE KEY')
})

test('the connection is written as Kopia writes it', () => {
  const given = { remotePath: 'x:y', rcloneArgs: ['-vv'], startupTimeout: '15s', debug: true, atomicWrites: true, dirShards: null }
  expect(formatRcloneOptions(parseRcloneOptions(given))).toEqual(given)
  expect(parseRcloneOptions({ ...given, startupTimeout: '1m30s' }).startupTimeoutMs).toBe(90_000)
  expect(parseRcloneOptions({ ...given, startupTimeout: ' 2_000_000_000 ' }).startupTimeoutMs).toBe(2000)
  expect(() => parseRcloneOptions({ ...given, startupTimeout: 15 })).toThrow(/startupTimeout/)
})

test('a repository in what rclone reaches lives a whole day', { timeout: wholeFlowTimeoutMs }, async () => {
  const home = new KuraHome()
  const storage = () => ['rclone', `--remote-path=${join(scratch(), 'repo')}`]
  await wholeFlow(home, { repository: storage(), mirror: storage() })
  home.remove()
})
