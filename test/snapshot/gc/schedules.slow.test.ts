import { test } from 'vitest'
import { checkSchedules } from './schedules.ts'

/** More by hand. */
const count = Number(process.env['KURA_SCHEDULES'] ?? '1000') / 2

test.each([
  ['without epochs', 1],
  ['with epochs', 3],
])('whatever clients do and however they die, live snapshots stay readable and space comes back, %s', (_, version) =>
  checkSchedules(version, count),
)
