import fc from 'fast-check'
import { expect } from 'vitest'
import { type Disturbance, hourMs, minuteMs, World } from './world.ts'

const texts = [...'abcdefgh'].map((letter) => letter.repeat(20))
/** One that needs several contents. */
const longText = '0123456789abcdef'.repeat(9000)
const files = fc.array(fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...texts) }, { weight: 1, arbitrary: fc.constant(longText) }), {
  minLength: 1,
  maxLength: 4,
})
const client = fc.constantFrom(0, 1, 2)
const disturbance: fc.Arbitrary<Disturbance> = fc.record({
  kind: fc.constantFrom('none' as const, 'none' as const, 'crash' as const, 'interrupt' as const),
  after: fc.integer({ min: 1, max: 12 }),
})

const calm: Disturbance = { kind: 'none', after: 0 }

interface Step {
  readonly text: string
  run(world: World): Promise<void> | void
}

const named = (text: string, run: Step['run']): Step => ({ text, run, toString: () => text }) as Step
const told = ({ kind, after }: Disturbance): string => (kind === 'none' ? '' : ` ${kind} after ${after}`)

const snapshot = (c: number, f: readonly string[], d: Disturbance = calm): Step =>
  named(`snapshot ${c}${told(d)}`, (w) => w.snapshot(c, f, d))
const begin = (c: number, f: readonly string[], stores: boolean): Step =>
  named(`begin ${c}${stores ? ' packs' : ''}`, (w) => w.beginSession(c, f, stores))
const finish = named('finish', (w) => w.finishSession())
const remove = (c: number, n: number, d: Disturbance = calm): Step => named(`delete ${c} ${n}${told(d)}`, (w) => w.delete(c, n, d))
const maintain = (mode: 'quick' | 'full' | 'auto', d: Disturbance): Step =>
  named(`maintain ${mode}${told(d)}`, (w) => w.maintain(mode, 'full', d))
const pass = (minutes: number): Step => named(`+${minutes} min`, (w) => w.move(minutes * minuteMs))

const cycle = fc.tuple(fc.constantFrom('quick' as const, 'full' as const, 'full' as const, 'auto' as const), disturbance)
const maintenance = cycle.map(([mode, d]) => maintain(mode, d))
const shortWhile = fc.constantFrom(0, 2, 16, 35).map(pass)
const longWhile = fc.constantFrom(20, 90, 300, 1500, 6000).map(pass)

/** Somebody uses again what nobody has needed for long, while maintenance is about to take it away. */
const race = fc
  .tuple(
    client,
    client,
    files,
    fc.boolean(),
    fc.array(fc.oneof(maintenance, longWhile), { maxLength: 5 }),
    maintenance,
    shortWhile,
    maintenance,
  )
  .map(([one, other, f, stores, before, first, between, second]) => [
    snapshot(one, f),
    remove(one, 0),
    pass(1500),
    ...before,
    begin(other, f, stores),
    first,
    between,
    second,
    finish,
  ])

const single: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(client, files, disturbance).map((of) => snapshot(...of)) },
  { weight: 2, arbitrary: fc.tuple(client, files, fc.boolean()).map((of) => begin(...of)) },
  { weight: 2, arbitrary: fc.constant(finish) },
  { weight: 3, arbitrary: fc.tuple(client, fc.nat(9), disturbance).map((of) => remove(...of)) },
  { weight: 6, arbitrary: maintenance },
  { weight: 1, arbitrary: disturbance.map((d) => named(`maintain none${told(d)}`, (w) => w.maintain('full', 'none', d))) },
  { weight: 1, arbitrary: disturbance.map((d) => named(`rewrite${told(d)}`, (w) => w.rewriteAll(d))) },
  { weight: 3, arbitrary: shortWhile },
  { weight: 4, arbitrary: longWhile },
)

const schedule = fc
  .array(fc.oneof({ weight: 8, arbitrary: single.map((s) => [s]) }, { weight: 1, arbitrary: race }), { minLength: 4, maxLength: 12 })
  .map((parts) => parts.flat())

/** Full maintenance often enough for everything to be over. */
async function settle(world: World): Promise<void> {
  world.move(97 * hourMs)
  for (let i = 0; i < 7; i++) {
    world.move(26 * hourMs)
    await world.maintain('full', 'full', calm)
  }
}

/** Runs random schedules over repositories of a format version: every live snapshot must be readable after every step, and in the end nothing
 *  that nobody needs may be left. */
export function checkSchedules(version: number, count: number): Promise<void> {
  const property = fc.asyncProperty(schedule, async (steps) => {
    const world = await World.create(version)
    for (const each of steps) {
      await each.run(world)
      await world.verify()
    }
    world.forgetClients()
    await settle(world)
    await world.verify()
    const { packs, usedPacks, markers } = await world.stored()
    expect(packs.filter((p) => !usedPacks.has(p))).toEqual([])
    expect(markers).toEqual([])
  })
  return fc.assert(property, { numRuns: count })
}
