import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { fixtureFacts, unpackFixture } from '../support/fixtures.ts'
import { scratchFolders } from '../support/scratch.ts'
import { CapturedIo } from './captured-io.ts'

interface Recorded {
  readonly args: readonly string[]
  readonly stdout: string
}

const { commands } = fixtureFacts<{ commands: readonly Recorded[] }>('default-commands')
const recorded = (words: string): string => commands.find((c) => c.args.join(' ') === words)?.stdout ?? 'not recorded'
const scratch = scratchFolders()
let repository: ReturnType<typeof unpackFixture>
let env: Record<string, string>

async function kura(...words: string[]) {
  const io = new CapturedIo()
  const status = await runLine(['--disable-file-logging', ...words], { io, env })
  return { status, out: io.output, err: io.errors }
}

beforeAll(async () => {
  repository = unpackFixture('default')
  const home = scratch()
  mkdirSync(join(home, 'cache'))
  env = { KOPIA_CONFIG_PATH: join(home, 'repository.config'), KOPIA_PASSWORD: 'fixture-password', TZ: 'UTC' }
  const who = ['--override-username=alice', '--override-hostname=laptop', `--cache-directory=${join(home, 'cache')}`]
  expect((await kura('repository', 'connect', 'filesystem', `--path=${repository.path}`, ...who)).status).toBe(0)
})
afterAll(() => repository?.remove())

/** Times of the next runs, which the recording leaves out. */
const withPlaceholders = (text: string): string =>
  text.replace(/next run: .*/g, 'next run: <NEXT>').replace(/"(next(?:Full|Quick)Maintenance)":"[^"]*"/g, '"$1":"<NEXT>"')

/** The reference prints tasks in no fixed order. */
const sortedTasks = (text: string): string[] =>
  text
    .trimEnd()
    .split(/\n(?= {2}\S)/)
    .sort()

test('maintenance info prints what Kopia prints', async () => {
  const text = await kura('maintenance', 'info')
  expect(sortedTasks(withPlaceholders(text.out))).toEqual(sortedTasks(withPlaceholders(recorded('maintenance info'))))
  const json = await kura('maintenance', 'status', '--json')
  expect(withPlaceholders(json.out).trim()).toBe(withPlaceholders(recorded('maintenance info --json')).trim())
})

test('maintenance set says what it changes, stores it, and refuses to change nothing', async () => {
  expect(await kura('maintenance', 'set')).toEqual({ status: 1, out: '', err: 'no changes specified\n' })
  const run = await kura(
    'maintenance',
    'set',
    '--quick-interval=2h',
    '--max-retained-log-count=44',
    '--enable-full=true',
    '--enable-full=false',
  )
  expect(run).toEqual({
    status: 0,
    out: '',
    err: 'Interval for quick maintenance set to 2h0m0s.\nPeriodic full maintenance disabled.\nSetting max retained log count to 44.\n',
  })
  expect((await kura('maintenance', 'set', '--list-parallelism=33', '--pause-quick=3h')).err).toContain('Quick maintenance paused until ')
  const { out } = await kura('maintenance', 'info')
  expect(out).toContain('  interval: 2h0m0s\n  next run: ')
  expect(out).toMatch(/\(in (3h0m0s|2h5\dm\d+s)\)/)
  expect(out).toContain('Full Cycle:\n  scheduled: false\nLog Retention:\n  max count:       44\n')
  expect(out).toContain('List parallelism: 33\n')
})

test.each([
  ['blob', 'kopia.maintenance'],
  ['content', 'k063434c219911c18949a36b5a7dac13e'],
  ['manifest', 'ad5bf0bfee419b89aa63150da72a9bf7'],
])('%s delete deletes only where dangerous commands are enabled', async (group, id) => {
  const show = () => kura(group, 'show', id).then(({ status }) => status)
  const listed = async () => (await kura(group, 'list')).out.includes(id)
  const refused = await kura(group, 'delete', id)
  expect(refused).toMatchObject({ status: 1, out: '' })
  expect(refused.err).toContain('--dangerous-commands=enabled')
  expect([await show(), await listed()]).toEqual([0, true])
  expect(await kura(group, 'rm', id, '--dangerous-commands=enabled')).toEqual({ status: 0, out: '', err: '' })
  expect(await listed()).toBe(false)
})
