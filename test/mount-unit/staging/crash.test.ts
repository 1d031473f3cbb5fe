import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CrashScenario, metaOf, type TreeState } from './crash-scenario.ts'
import { randomOf } from './model.ts'
import { RecordedDisk } from './recorded-disk.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kura-crash-')) // only the lock is in it
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Opens the staging area on another disk and reads its tree. */
async function recovered(scenario: CrashScenario, disk: RecordedDisk): Promise<TreeState | 'refused'> {
  scenario.forgetLock()
  let staging: Awaited<ReturnType<CrashScenario['open']>>
  try {
    staging = await scenario.open(disk)
  } catch (error) {
    expect(String(error)).toContain('journal')
    return 'refused'
  }
  const state = await scenario.read(staging)
  await staging.close()
  return state
}

/** Indices of the states that have these names and attributes. */
const indicesOf = (scenario: CrashScenario, state: TreeState): number[] => {
  const meta = metaOf(state)
  return scenario.states.flatMap((s, i) => (metaOf(s) === meta ? [i] : []))
}

const lastBefore = (scenario: CrashScenario, events: number): number => scenario.acknowledged.findLastIndex((n) => n <= events)

describe('after the daemon was killed', () => {
  it('the staging area has all that was acknowledged, wherever the last write stopped', async () => {
    const scenario = new CrashScenario(folder, new RecordedDisk())
    await scenario.run(3, 6)
    let refused = 0
    const first = scenario.acknowledged[0] as number
    for (let k = first; k <= scenario.disk.events.length; k++) {
      const event = scenario.disk.events[k]
      const length = event?.kind === 'write' ? event.data.length : 0
      for (let part = 0; part <= length; part += length > 400 ? 97 : 1) {
        const state = await recovered(scenario, scenario.disk.afterProcessCrash(k, part))
        if (state === 'refused') {
          refused++
          continue
        }
        const at = lastBefore(scenario, k)
        const found = indicesOf(scenario, state).find((i) => i >= at && i <= at + 1)
        expect(found, `event ${k}, ${part} bytes: state ${indicesOf(scenario, state)}, acknowledged ${at}`).toBeDefined()
        expect([...state.values()].map((f) => f.data)).toEqual(
          [...(scenario.states[found as number] as TreeState).values()].map((f) => f.data),
        )
      }
    }
    expect(refused).toBe(0)
  }, 120_000)
})

describe('after the machine stopped', () => {
  for (const [what, changed] of [
    ['in segments', {}],
    ['in spool files of their own', { smallFileBytes: 0 }],
  ] as const) {
    it(`the tree is one that it had been, and synced bytes are there, ${what}`, async () => {
      const scenario = new CrashScenario(folder, new RecordedDisk(), changed)
      await scenario.run(5, 90)
      const random = randomOf(9)
      const first = scenario.acknowledged[0] as number
      const policies = [() => false, () => random(2) === 0, () => random(10) > 0]
      let checkedFiles = 0
      for (let k = first; k <= scenario.disk.events.length; k++) {
        const keeps = policies[k % 3] as () => boolean
        const state = await recovered(scenario, scenario.disk.afterMachineCrash(k, keeps))
        expect(state, `event ${k}`).not.toBe('refused')
        const done = scenario.syncs.filter((s) => s.events <= k)
        const least = Math.max(0, ...done.map((s) => s.operation))
        const found = indicesOf(scenario, state as TreeState)
        const index = found.findLast((i) => i >= least && i <= lastBefore(scenario, k) + 1)
        expect(index, `event ${k}: state ${found} of ${least}..${lastBefore(scenario, k) + 1}\n${metaOf(state as TreeState)}`).toBeDefined()
        checkedFiles += checkSynced(scenario, state as TreeState, index as number, k)
      }
      expect(checkedFiles).toBeGreaterThan(100)
    })
  }

  /** Files whose bytes had been synced, and that were not written to since (spool files of their own are written in place), must have
   *  them. */
  function checkSynced(scenario: CrashScenario, state: TreeState, index: number, events: number): number {
    let checked = 0
    for (const [path, expected] of scenario.states[index] as TreeState) {
      const { node } = expected
      const writes = (scenario.writes.get(node) ?? []).filter((w) => (scenario.acknowledged[w - 1] as number) < events)
      const sync = scenario.syncs.findLast((s) => s.events <= events && s.nodes.includes(node))
      const operation = sync === undefined ? -1 : lastBefore(scenario, sync.events)
      if (sync === undefined || writes.some((w) => w > operation || w > index)) continue
      checked++
      if (!(state.get(path)?.data.equals(expected.data) ?? false))
        throw new Error(`${path} lost synced bytes at event ${events}, state ${index}`)
    }
    return checked
  }
})
