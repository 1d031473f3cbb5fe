import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import type { StagingOptions } from '#mount/staging/staging.ts'
import { type Description, randomOf } from './model.ts'
import { RandomOperations } from './random-operations.ts'
import { RecordedDisk } from './recorded-disk.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** By hand: more operations, and other seeds. */
const operations = Number(process.env['KURA_CRASH_OPERATIONS'] ?? 150)
const firstSeed = Number(process.env['KURA_MODEL_SEED'] ?? 1)
const looks = Number(process.env['KURA_CRASH_LOOKS'] ?? 25)
const timeoutMs = 120_000 + 200 * operations

interface State {
  /** Of the disk when the operation was answered. */
  readonly events: number
  readonly live: Description
  readonly stored: Description
}

/** Random operations with flushes between them and during them, on a disk whose every state is known. */
class Recorded extends RandomOperations {
  readonly states: State[] = []
  readonly disk = new RecordedDisk()

  constructor(
    readonly folder: string,
    seed: number,
    changed: Partial<StagingOptions>,
  ) {
    super(folder, seed, changed)
    this.files = this.disk
  }

  override async step(): Promise<void> {
    await super.step()
    this.note()
  }

  note(): void {
    this.states.push({ events: this.disk.events.length, live: this.describeModel(), stored: this.describeModel(true) })
  }

  /** What the next mount has, and what its flush makes of it. */
  async after(disk: RecordedDisk): Promise<Pick<State, 'live' | 'stored'>> {
    rmSync(join(this.folder, 'lock'), { force: true })
    await this.open(disk)
    try {
      const live = await this.describe()
      const { rootObject, objects } = await this.repository.write(this.flushPoint())
      await this.point?.commit({ snapshotId: 'after', rootObject, objects })
      expect(await this.describe(), 'after a flush').toEqual(live)
      return { live, stored: this.repository.describe(rootObject, live[''] as string) }
    } finally {
      await this.staging.close()
    }
  }

  private point: ReturnType<RandomOperations['staging']['freeze']> | undefined

  private flushPoint(): ReturnType<RandomOperations['staging']['freeze']> {
    this.point = this.staging.freeze()
    return this.point
  }
}

async function run(seed: number, isAtomic: boolean): Promise<void> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kura-crash-model-')) // only the lock is in it
  folders.push(folder)
  const random = new Recorded(folder, seed, { smallFileBytes: isAtomic ? 1 << 30 : ([0, 12_000][seed % 2] as number) })
  await random.open()
  random.note()
  for (let i = 1; i <= operations; i++) {
    await random.step()
    if (i % 23 === 0) await random.flush(`s${i}`, [0, 5, 30][i % 3] as number, i % 5 !== 0)
    if (i % 97 === 0) await random.reopen()
  }
  await random.staging.close()
  const next = randomOf(seed + 1_000)
  for (let look = 0; look < looks; look++) {
    // Bytes of spool files of their own are written in place, so that a write without an answer may be there in part.
    const at = next(random.states.length - 1)
    const state = random.states[at] as State
    const following = random.states[at + 1] as State
    const events = isAtomic ? state.events + next(following.events - state.events + 1) : state.events
    const found = await random.after(random.disk.afterProcessCrash(events))
    const isNext = events > state.events && !isDeepStrictEqual(found.live, state.live)
    const expected = isNext ? following : state
    expect(found.live, `seed ${seed}, event ${events}, operation ${at}`).toEqual(expected.live)
    expect(found.stored, `flushed, seed ${seed}, event ${events}, operation ${at}`).toEqual({ ...expected.stored, '': found.stored[''] })
  }
  expect(random.warnings).toEqual([])
}

describe('the staging area of a daemon that was killed, beside a simple model', () => {
  for (let seed = firstSeed; seed < firstSeed + 2; seed++) {
    it(`has each operation that was answered and none in part, flushes or not (seed ${seed})`, () => run(seed, true), timeoutMs)
    it(`has each operation that was answered, in spool files of their own (seed ${seed})`, () => run(seed, false), timeoutMs)
  }
})
