import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Action, ActionsPolicy } from '#snapshot/policy/policy.ts'
import type { ActionSettings } from '#snapshot/upload/hooks.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { memoryRepository, policyWith, rootOf, treeOf, upload, Watcher } from '../memory-repository.ts'

const scratch = scratchFolders()
let repository: DirectRepository
/** Folder of temporary files of this file alone: what others leave in theirs does not count. */
let temporary: string
const usualTemporary = process.env['TMPDIR']
beforeAll(async () => {
  ;({ repository } = await memoryRepository())
  temporary = scratch()
  process.env['TMPDIR'] = temporary
})
afterAll(() => {
  if (usualTemporary === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = usualTemporary
})

const essential = (script: string, more: Partial<Action> = {}): Action => ({ script, mode: 'essential', timeout: 150, ...more })

function makeSource(): string {
  const source = scratch()
  mkdirSync(join(source, 'sub'))
  writeFileSync(join(source, 'file'), 'file')
  writeFileSync(join(source, 'sub/inner'), 'inner')
  return source
}

async function run(
  source: string,
  root: ActionsPolicy,
  sub: ActionsPolicy = {},
  settings: Partial<ActionSettings> = {},
  signal?: AbortSignal,
) {
  const watcher = new Watcher()
  let errorOutput = ''
  const { snapshot } = await upload(repository, source, {
    observer: watcher,
    policy: { actions: root },
    below: { sub: policyWith({ actions: sub }) },
    actions: {
      isEnabled: true,
      version: '1.2.3',
      environment: process.env,
      onErrorOutput: (chunk) => {
        errorOutput += chunk.toString()
      },
      ...settings,
    },
    ...(signal ? { signal } : {}),
  })
  const tree = await treeOf(repository, rootOf(snapshot))
  return { snapshot, tree, notes: watcher.notes, failures: watcher.failures, errorOutput, paths: [...tree.keys()].sort() }
}

/** A script that adds a line about itself to `log`. */
const noting = (log: string, more = ''): string =>
  `echo "$KOPIA_ACTION $KOPIA_SOURCE_PATH $KOPIA_SNAPSHOT_PATH $KOPIA_SNAPSHOT_ID $KOPIA_VERSION" >> ${log}\n${more}`

const leftovers = (): string[] => readdirSync(temporary).filter((n) => n.startsWith('kopia-action'))

describe('actions', () => {
  it('run around the snapshot and its folders in order, each pair with an ID of its own, and leave nothing behind', async () => {
    const source = makeSource()
    const log = join(scratch(), 'log')
    const note = essential(noting(log))
    const before = leftovers()
    await run(
      source,
      { beforeSnapshotRoot: note, afterSnapshotRoot: note, beforeFolder: note, afterFolder: note },
      { beforeFolder: note, afterFolder: note },
    )
    const lines = readFileSync(log, 'utf8')
      .trimEnd()
      .split('\n')
      .map((l) => l.split(' '))
    const sub = join(source, 'sub')
    expect(lines.map((l) => l.slice(0, 3))).toEqual([
      ['before-snapshot-root', source, source],
      ['before-folder', source, source],
      ['before-folder', sub, sub],
      ['after-folder', sub, sub],
      ['after-folder', source, source],
      ['after-snapshot-root', source, source],
    ])
    const ids = lines.map((l) => l[3])
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/)
    expect([ids[5], ids[4], ids[3]]).toEqual([ids[0], ids[1], ids[2]])
    expect(new Set(ids).size).toBe(3)
    expect(lines[0]?.[4]).toBe('1.2.3')
    expect(leftovers()).toEqual(before)
  })

  it('are not run, which is said once, where they are not enabled', async () => {
    const log = join(scratch(), 'log')
    const { notes, paths } = await run(makeSource(), { beforeSnapshotRoot: essential(noting(log)) }, {}, { isEnabled: false })
    expect(existsSync(log)).toBe(false)
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain('not enabled')
    expect(paths).toEqual(['', 'file', 'sub', 'sub/inner'])
  })

  it('are commands with arguments, scripts for sh, or scripts with an interpreter of their own, in an empty folder', async () => {
    const source = makeSource()
    const out = join(scratch(), 'out')
    await run(source, {
      beforeSnapshotRoot: {
        path: 'sh',
        args: ['-c', `printf '%s|' "$0" "$1" > ${out}; ls | wc -l >> ${out}`, 'a b', 'c'],
        mode: 'essential',
      },
    })
    expect(readFileSync(out, 'utf8')).toBe('a b|c|0\n')
    await run(source, { beforeSnapshotRoot: essential(`basename $0 > ${out}`) })
    expect(readFileSync(out, 'utf8')).toBe('before-snapshot-root.sh\n')
    await run(source, {
      afterFolder: essential(`#!/usr/bin/env cat\nshown to nobody\n`),
      beforeFolder: essential(`#!/bin/sh\necho 1 > ${out}\n`),
    })
    expect(readFileSync(out, 'utf8')).toBe('1\n')
  })

  it('may name another folder to read: the last line counts, the name of the entry stays', async () => {
    const source = makeSource()
    const other = scratch()
    writeFileSync(join(other, 'from-other'), 'x')
    const log = join(scratch(), 'log')
    const script = `echo rubbish; echo KOPIA_SNAPSHOT_PATH=/nowhere; echo OTHER=1=2; echo KOPIA_SNAPSHOT_PATH=${other}`
    const sub = await run(source, {}, { beforeFolder: essential(script), afterFolder: essential(noting(log)) })
    expect(sub.paths).toEqual(['', 'file', 'sub', 'sub/from-other'])
    expect(readFileSync(log, 'utf8')).toMatch(new RegExp(`^after-folder ${source}/sub ${other} `))
    const root = await run(source, { beforeSnapshotRoot: essential(script) })
    expect(root.paths).toEqual(['', 'from-other'])
    expect(root.snapshot.source.path).toBe(source)
    expect(`/${rootOf(root.snapshot).name}`).toBe(source.slice(source.lastIndexOf('/')))
  })

  it('that name a folder which is not there fail', async () => {
    const source = makeSource()
    const lost = essential('echo KOPIA_SNAPSHOT_PATH=/no/such/folder')
    await expect(run(source, { beforeSnapshotRoot: lost })).rejects.toThrow(/asked to read "\/no\/such\/folder" instead: no such file/)
    const { failures, paths } = await run(source, {}, { beforeFolder: lost })
    expect(failures).toEqual([['sub', false]])
    expect(paths).toEqual(['', 'file'])
    const zero = essential(`printf 'KOPIA_SNAPSHOT_PATH=/a\\0b\\n'`)
    expect((await run(source, {}, { beforeFolder: zero })).failures).toEqual([['sub', false]])
  })
})

describe('an action that fails', () => {
  it('before the snapshot ends it, if it is essential; the action after it is not run', async () => {
    const log = join(scratch(), 'log')
    const root = { beforeSnapshotRoot: essential('echo oops >&2; exit 3'), afterSnapshotRoot: essential(noting(log)) }
    let text = ''
    const onErrorOutput = (chunk: Buffer) => {
      text += chunk.toString()
    }
    await expect(run(makeSource(), root, {}, { onErrorOutput })).rejects.toThrow(/before-snapshot-root of .* failed: exit status 3/)
    expect(existsSync(log)).toBe(false)
    expect(text).toBe('oops\n')
  })

  it('before a folder costs that folder alone', async () => {
    const { failures, paths, snapshot } = await run(makeSource(), {}, { beforeFolder: essential('false\necho not reached') })
    expect(failures).toEqual([['sub', false]])
    expect(paths).toEqual(['', 'file'])
    expect(rootOf(snapshot).summary).toMatchObject({ fatalErrorCount: 1 })
  })

  it('is only told of when it is optional, or comes after', async () => {
    const failing = essential('exit 1', { mode: 'optional' })
    const { notes, failures, paths } = await run(makeSource(), { beforeSnapshotRoot: failing, afterFolder: essential('exit 2') })
    expect(notes).toEqual([
      expect.stringMatching(/before-snapshot-root of .* failed: exit status 1; the snapshot goes on/),
      expect.stringMatching(/after-folder of .* failed: exit status 2/),
    ])
    expect(failures).toEqual([])
    expect(paths).toEqual(['', 'file', 'sub', 'sub/inner'])
  })

  it('because it cannot be started, or is empty, says so', async () => {
    const missing = { path: '/no/such/command', mode: 'essential' }
    await expect(run(makeSource(), { beforeSnapshotRoot: missing })).rejects.toThrow('/no/such/command cannot be started: not found')
    await expect(run(makeSource(), { beforeSnapshotRoot: { mode: 'essential' } })).rejects.toThrow('neither a command nor a script')
  })

  it('lets the one after it run when the walk has failed', async () => {
    const source = makeSource()
    const log = join(scratch(), 'log')
    const remove = essential(`rm -r ${source}`)
    await expect(run(source, { beforeFolder: remove, afterSnapshotRoot: essential(noting(log)) })).rejects.toThrow(
      'no such file or directory',
    )
    expect(readFileSync(log, 'utf8')).toMatch(/^after-snapshot-root /)
  })
})

describe('an action that does not end', () => {
  it('is killed with everything that it started', async () => {
    const pid = join(scratch(), 'pid')
    // A busy machine may need longer to get as far as the number.
    for (let timeout = 1; !existsSync(pid) || readFileSync(pid, 'utf8') === ''; timeout *= 2) {
      const hang = essential(`sleep 600 & echo $! > ${pid}\nwait`, { timeout })
      await expect(run(makeSource(), { beforeSnapshotRoot: hang })).rejects.toThrow(`it was killed after ${timeout} seconds`)
    }
    await vi.waitFor(() => expect(isRunning(Number(readFileSync(pid, 'utf8')))).toBe(false), { timeout: 60_000 })
  })

  it('does not keep the snapshot waiting by what it left behind', async () => {
    const pid = join(scratch(), 'pid')
    const { paths } = await run(makeSource(), { beforeSnapshotRoot: essential(`sleep 600 & echo $! > ${pid}`) })
    expect(paths).toHaveLength(4)
    process.kill(Number(readFileSync(pid, 'utf8')))
  })

  it('ends with the snapshot when that is cancelled, and is then the reason', async () => {
    const abort = new AbortController()
    const marker = join(scratch(), 'marker')
    const done = run(makeSource(), { beforeSnapshotRoot: essential(`touch ${marker}; sleep 600`) }, {}, {}, abort.signal)
    const settled = expect(done).rejects.toThrow('cancelled while the action before-snapshot-root')
    while (!existsSync(marker)) await new Promise((r) => setTimeout(r, 10))
    abort.abort()
    await settled
  })
})

it('an async action is not waited for, and cleans up after itself', async () => {
  const folder = scratch()
  const before = leftovers()
  const script = `while [ ! -e ${folder}/go ]; do sleep 0.05; done; pwd > ${folder}/where; echo KOPIA_SNAPSHOT_PATH=/nowhere`
  const { paths } = await run(makeSource(), { beforeSnapshotRoot: essential(script, { mode: 'async' }) })
  expect(paths).toHaveLength(4)
  writeFileSync(join(folder, 'go'), '')
  while (!existsSync(join(folder, 'where')) || leftovers().length > before.length) await new Promise((r) => setTimeout(r, 20))
  expect(readFileSync(join(folder, 'where'), 'utf8')).toContain('kopia-action')
})

it('an action that prints rubbish without end of line is read in bounded memory', async () => {
  const script = `head -c 30000000 /dev/urandom | tr '\\n' x\necho\nhead -c 1000000 /dev/zero\necho; echo KOPIA_SNAPSHOT_PATH=`
  const { paths, notes } = await run(makeSource(), { beforeSnapshotRoot: essential(script) })
  expect(notes).toEqual([])
  expect(paths).toHaveLength(4)
})

function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ') && process.kill(pid, 0)
  } catch {
    return false
  }
}
