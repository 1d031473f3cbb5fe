import { test } from 'vitest'
import { checkSchedules } from './schedules.ts'

test.each([
  ['without epochs', 1],
  ['with epochs', 3],
])('whatever clients do and however they die, live snapshots stay readable and space comes back, %s', (_, version) =>
  checkSchedules(version, 8),
)
