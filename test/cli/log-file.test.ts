import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { scratchFolders } from '../support/scratch.ts'
import { CapturedIo } from './captured-io.ts'

const scratch = scratchFolders()
let logs: string
let config: string

beforeEach(() => {
  const home = scratch()
  logs = join(home, 'logs')
  config = join(home, 'repository.config')
})

async function kura(words: readonly string[], change: (io: CapturedIo) => void = () => undefined) {
  const io = new CapturedIo()
  change(io)
  const status = await runLine([`--log-dir=${logs}`, `--config-file=${config}`, ...words], { io, env: { KOPIA_PASSWORD: 'x' } })
  return { status, out: io.output, err: io.errors }
}

/** Fails after it has logged a line of level debug. */
const failing = ['repository', 'disconnect']
const folder = (kind = 'cli-logs'): string => join(logs, kind)
const files = (kind = 'cli-logs'): string[] => readdirSync(folder(kind)).filter((name) => /^kopia-.*\.log$/.test(name))
const newest = (kind = 'cli-logs'): string => readFileSync(join(folder(kind), 'latest.log'), 'utf8')

describe('a log file', () => {
  test('is named after time, process and command, tagged as a cache, and the newest has a link', async () => {
    await kura(failing)
    const [name = ''] = files()
    expect(name).toMatch(new RegExp(`^kopia-\\d{8}-\\d{6}-${process.pid}-repository-disconnect\\.0\\.log$`))
    expect(readlinkSync(join(folder(), 'latest.log'))).toBe(name)
    expect(lstatSync(folder()).mode & 0o777).toBe(0o700)
    expect(readFileSync(join(folder(), 'CACHEDIR.TAG'), 'utf8')).toMatch(/^Signature: 8a477f597d28d172789f06886806bc55/)
    for (const line of newest().trimEnd().split('\n'))
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (DEBUG|INFO|WARN) [a-z/]+ .*$/)
  })

  test('tells the local time where that is wanted', async () => {
    await kura([...failing, '--file-log-local-tz'])
    expect(newest()).toMatch(/^\S+\.\d{6}[+-]\d\d:\d\d DEBUG /)
  })

  test('is JSON where that is wanted', async () => {
    await kura([...failing, '--json-log-file'])
    expect(JSON.parse(newest().split('\n')[0] as string)).toEqual({
      l: 'DEBUG',
      t: expect.any(String),
      n: 'kopia/cli',
      m: 'command: repository disconnect',
    })
  })

  test.each([
    ['info', false],
    ['debug', true],
  ])('of level %s has debug lines: %s', async (level, has) => {
    await kura([...failing, `--file-log-level=${level}`])
    expect(existsSync(folder()) && newest().includes('DEBUG')).toBe(has)
  })

  test('can be another file, which goes on in segments', async () => {
    const own = join(scratch(), 'own.txt')
    await kura([...failing, `--log-file=${own}`, '--max-log-file-segment-size=80'])
    expect(existsSync(folder())).toBe(false)
    expect(readFileSync(own.replace('.txt', '.0.txt'), 'utf8')).toContain('command: repository disconnect')
    expect(existsSync(own.replace('.txt', '.1.txt'))).toBe(true)
  })

  test.each(['--disable-file-logging', '--log-dir='])('is not written with %s', async (flag) => {
    const io = new CapturedIo()
    await runLine([...(flag === '--log-dir=' ? [] : [`--log-dir=${logs}`]), `--config-file=${config}`, flag, ...failing], { io, env: {} })
    expect(existsSync(logs)).toBe(false)
  })
})

describe('old log files', () => {
  const old = (name: string, daysAgo: number, bytes = 10): void => {
    mkdirSync(folder(), { recursive: true })
    writeFileSync(join(folder(), name), Buffer.alloc(bytes))
    const at = Date.now() / 1000 - daysAgo * 86_400
    utimesSync(join(folder(), name), at, at)
  }
  const left = (): string[] => files().filter((name) => name.startsWith('kopia-old'))

  test.each([
    ['--log-dir-max-files=3', ['kopia-old1.log', 'kopia-old2.log']],
    ['--log-dir-max-age=60h', ['kopia-old1.log', 'kopia-old2.log']],
    ['--log-dir-max-total-size-mb=0.0025', ['kopia-old1.log', 'kopia-old2.log']],
    ['--log-dir-max-files=100', ['kopia-old1.log', 'kopia-old2.log', 'kopia-old3.log', 'kopia-old4.log']],
  ])('beyond %s go, and nothing else does', async (flag, kept) => {
    for (let i = 1; i <= 4; i++) old(`kopia-old${i}.log`, i, 1000)
    old('other.log', 500)
    await kura([...failing, flag])
    expect(left().sort()).toEqual(kept)
    expect(existsSync(join(folder(), 'other.log'))).toBe(true)
  })
})

describe('the console', () => {
  test('has the message alone, or with the time, or as JSON', async () => {
    const first = async (...flags: string[]) => (await kura([...failing, '--log-level=debug', ...flags])).err.split('\n')[0] as string
    expect(await first()).toBe('command: repository disconnect')
    expect(await first('--console-timestamps')).toMatch(/^\d\d:\d\d:\d\d\.\d{3} command: repository disconnect$/)
    expect(JSON.parse(await first('--json-log-console'))).toEqual({ n: 'kopia/cli', m: 'command: repository disconnect' })
    const timed = JSON.parse(await first('--json-log-console', '--console-timestamps'))
    expect(timed).toEqual({ t: expect.stringMatching(/^\d{4}-.*Z$/), n: 'kopia/cli', m: 'command: repository disconnect' })
  })

  test.each([
    ['debug', true],
    ['info', false],
    ['warning', false],
    ['error', false],
  ])('of level %s has debug lines: %s', async (level, has) => {
    expect((await kura([...failing, `--log-level=${level}`])).err.includes('command: repository disconnect')).toBe(has)
  })
})

describe('the content log', () => {
  const create = async (...words: string[]) => {
    const place = scratch()
    const run = await kura(['repository', 'create', 'filesystem', `--path=${place}`, '--no-persist-credentials', ...words])
    expect(run.status, run.err).toBe(0)
    return readdirSync(join(place, '_'), { withFileTypes: true }).map(({ name }) => name)
  }

  test('is a file of JSON lines beside the other, and the trace of the storage is in that', async () => {
    expect(await create()).toContain('log')
    const lines = newest('content-logs').trimEnd().split('\n')
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ n: 'storage', m: expect.any(String), t: expect.any(String) })
    expect(newest()).toContain('[STORAGE] PutBlob\t{"blobID":')
  })

  test('is not written where it is not wanted, nor kept in the repository, nor traced', async () => {
    await expect(create('--disable-content-log', '--disable-repository-log', '--no-trace-storage')).rejects.toThrow('ENOENT')
    expect(existsSync(folder('content-logs'))).toBe(false)
    expect(newest()).not.toContain('[STORAGE]')
  })

  test('can be another file', async () => {
    const own = join(scratch(), 'content.log')
    await create(`--content-log-file=${own}`)
    expect(readFileSync(own.replace('.log', '.0.log'), 'utf8')).toContain('"m":"PutBlob"')
    expect(existsSync(folder('content-logs'))).toBe(false)
  })

  test('goes by limits of its own', async () => {
    mkdirSync(folder('content-logs'), { recursive: true })
    for (let i = 0; i < 3; i++) writeFileSync(join(folder('content-logs'), `kopia-old${i}.log`), '')
    await create('--content-log-dir-max-files=1')
    expect(files('content-logs')).toHaveLength(1)
    expect(files()).toHaveLength(1)
  })
})
