import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { fixtureFacts, unpackFixture } from '../support/fixtures.ts'
import { scratchFolders } from '../support/scratch.ts'
import { CapturedIo } from './captured-io.ts'

interface Recorded {
  readonly args: readonly string[]
  readonly exit: number
  readonly stdout: string | { readonly base64?: string; readonly bytes?: number; readonly sha256?: string }
}

const { commands } = fixtureFacts<{ commands: readonly Recorded[] }>('default-commands')
const scratch = scratchFolders()
const place = '/srv/kopia/default'
const config = '/home/alice/.config/kopia/repository.config'

let repository: ReturnType<typeof unpackFixture>
let env: Record<string, string>

async function kura(...words: string[]) {
  const io = new CapturedIo()
  const status = await runLine(words, { io, env })
  return { status, out: io.output, bytes: io.bytes, err: io.errors }
}

beforeAll(async () => {
  repository = unpackFixture('default')
  const home = scratch()
  mkdirSync(join(home, 'cache'))
  env = {
    KOPIA_CONFIG_PATH: join(home, 'repository.config'),
    KOPIA_PASSWORD: 'fixture-password',
    TZ: 'UTC',
    KOPIA_CACHE_DIRECTORY: join(home, 'cache'),
  }
  const connect = [
    'repository',
    'connect',
    'filesystem',
    `--path=${repository.path}`,
    '--override-username=alice',
    '--override-hostname=laptop',
  ]
  expect(await kura(...connect, '--disable-file-logging', `--cache-directory=${join(home, 'cache')}`)).toMatchObject({
    status: 0,
    err: 'Connected to repository.\n',
  })
})
afterAll(() => repository?.remove())

/** Output with the places of this run replaced by those of the recording. */
const asRecorded = (text: string): string => text.replaceAll(repository.path, place).replaceAll(env['KOPIA_CONFIG_PATH'] as string, config)

/** Lines whose order is not fixed in the reference. */
const unordered = /^(ls|diff|content stats|manifest show|snapshot estimate|blob list)\b/

/** Recorded commands that only read, by their first words. */
const readOnly =
  /^(--timezone=\S+ )?(repository status|snapshot (list|verify)|ls|show|diff|policy (list|show|export)|manifest (list|show)|content (list|show|stats|verify)|index (list|inspect|epoch list)|blob (list|show|stats))\b/

/** Not compared, and why. */
const apart: Readonly<Record<string, string>> = {
  'repository status -t -s': 'the token names the path',
  'repository status -t': 'the token names the path',
}

/** The first recordings before anything is written. */
const untilWrites = commands.findIndex((c) => c.args[0] === 'blob' && c.args[1] === 'delete')
const comparable = commands.slice(4, untilWrites).filter((c) => readOnly.test(c.args.join(' ')) && !(c.args.join(' ') in apart))

const sortedLines = (text: string): string[] =>
  text
    .split('\n')
    .map((l) => l.replace(/,$/, ''))
    .sort()

describe('commands print what Kopia prints', () => {
  test('there are recordings to compare with', () => {
    expect(comparable.length).toBeGreaterThan(60)
  })

  test.each(comparable.map((c) => [c.args.join(' '), c] as const))('%s', async (words, { args, exit, stdout }) => {
    const run = await kura('--disable-file-logging', ...args)
    if (exit !== 0) {
      expect(run.status).toBe(exit)
      expect(run.err).not.toContain('internal error')
      return
    }
    expect(run.err.split('\n').filter((l) => l.startsWith('internal error'))).toEqual([])
    expect(run.status).toBe(0)
    if (typeof stdout !== 'string') {
      if (stdout.base64 !== undefined) expect(run.bytes.equals(Buffer.from(stdout.base64, 'base64'))).toBe(true)
      else expect(run.bytes.length).toBe(stdout.bytes)
      return
    }
    const expected = withVolume(stdout)
    const printed = withVolume(asRecorded(run.out))
    if (unordered.test(words)) expect(sortedLines(printed)).toEqual(sortedLines(expected))
    else expect(printed).toBe(expected)
  })
})

const withVolume = (text: string): string =>
  text
    .replace(/^(Storage (?:capacity|available):\s+).*$/gm, '$1<VOLUME>')
    .replace(/"volume":(\{[^}]*\}|"<VOLUME>")/, '"volume":"<VOLUME>"')
    .replaceAll(/"id": "[0-9a-f]{32}"/g, '"id": "<ID>"')
