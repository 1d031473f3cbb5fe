import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { whyNoLiveMounts } from '../mount/support/live.ts'
import { KuraHome } from '../support/kura.ts'
import { runFsck } from '../support/referee.ts'
import { repositoryRoot } from '../support/shared.ts'

/** By hand: KURA_MOUNT_KILLS=500, and a seed of one's own. */
const kills = Number(process.env['KURA_MOUNT_KILLS'] ?? 40)
const seed = process.env['KURA_CRASH_SEED'] ?? '1'
const killsBetweenLooks = 50
const writers = 4
const timeoutMs = 120_000 + kills * 15_000

/** The same moments for the same seed (mulberry32). */
function random(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

describe.skipIf(whyNoLiveMounts !== undefined)(
  `a mount killed under load${whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''}`,
  () => {
    const home = new KuraHome()
    const mountPoint = home.path('mnt')
    const backup = join(mountPoint, 'backup')
    const next = random(Number(seed))
    let daemon: ChildProcess | undefined
    let program: ChildProcess | undefined
    let lines: AsyncIterator<string>

    /** Over what the last one left: its dead mount, its lock, its spool. */
    async function mount(): Promise<ChildProcess> {
      const child = home.start('mount', 'all', mountPoint, '--flush-after', '1h', '--quiesce', '0s')
      daemon = child
      await new Promise<void>((resolve, reject) => {
        let said = ''
        child.stderr?.setEncoding('utf8').on('data', (text: string) => {
          said += text
          if (said.includes('Press Ctrl-C')) resolve()
        })
        child.once('close', () => reject(new Error(`kura mount ended: ${said}`)))
      })
      return child
    }

    async function answer(order?: string): Promise<string> {
      if (order !== undefined) program?.stdin?.write(`${order}\n`)
      const { value, done } = await lines.next()
      return done === true ? 'the writers ended' : value
    }

    /** Asks for flushes while the writers write; says how many were begun. */
    async function flushing(signal: AbortSignal): Promise<number> {
      let begun = 0
      while (!signal.aborted) {
        try {
          writeFileSync(join(mountPoint, '.kura/flush'), 'now')
          begun++
        } catch {
          // One runs already, or the mount is gone.
        }
        await sleep(10 + next() * 60)
      }
      return begun
    }

    beforeAll(async () => {
      await home.ok('repository', 'create', 'filesystem', '--path', home.path('repo'))
      mkdirSync(mountPoint)
      await mount()
      const args = [join(repositoryRoot, 'test/mount/programs/crash.py'), backup, String(writers), seed]
      program = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] })
      lines = createInterface({ input: program.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
      expect(await answer()).toBe('ready')
    })
    afterAll(() => {
      program?.kill('SIGKILL')
      daemon?.kill('SIGKILL')
      spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
      home.remove()
    })

    /** All is in a snapshot, which has to the last byte what was acknowledged, and the repository is sound. */
    async function look(round: number): Promise<void> {
      await home.ok('flush', mountPoint)
      const all = JSON.parse(await home.ok('snapshot', 'list', '--all', '--json')) as { id: string; endTime: string }[]
      const newest = all.toSorted((a, b) => (a.endTime < b.endTime ? -1 : 1)).at(-1)
      const restored = home.path(`restored-${round}`)
      await home.ok('restore', newest?.id ?? '', restored, '--own-folder-times')
      const compared = await answer(`compare ${restored}`)
      expect(compared, compared).toBe('ok')
      const { output } = await runFsck(home.path('repo'), 'test-password', '--allow-sessions')
      // What a killed process had written of a blob lies beside the blobs until maintenance takes it away.
      expect(output.split('\n').filter((l) => l.startsWith('VIOLATION') && !/foreign file .*\.tmp\./.test(l))).toEqual([])
      expect(output).toContain('fsck: ')
    }

    test(
      `has all that was acknowledged after each of ${kills} kills, while flushes run, and all of it gets into a snapshot`,
      async () => {
        let operations = 0
        let flushes = 0
        for (let round = 1; round <= kills; round++) {
          const child = daemon as ChildProcess
          const end = new AbortController()
          expect(await answer('go')).toBe('started')
          const flusher = flushing(end.signal)
          await sleep(5 + next() * 250)
          child.kill('SIGKILL')
          end.abort()
          flushes += await flusher
          const stopped = await answer()
          expect(stopped, `round ${round} of seed ${seed}`).toMatch(/^stopped \d+$/)
          operations = Number(stopped.slice(8))
          await mount()
          const checked = await answer('check')
          expect(checked, `round ${round} of seed ${seed}: ${checked}`).toBe('ok')
          if (round % killsBetweenLooks === 0 || round === kills) await look(round)
        }
        // Else they were not killed under load.
        expect(operations).toBeGreaterThan(kills)
        expect(flushes).toBeGreaterThan(0)
      },
      timeoutMs,
    )
  },
)
