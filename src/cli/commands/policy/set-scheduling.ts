import { CommandError } from '#cli/exit.ts'
import { goDuration } from '#cli/print/duration.ts'
import { parseCron } from '#snapshot/policy/cron.ts'
import type { PolicyChanges } from './changes.ts'
import type { SetValues } from './set-flags.ts'

interface TimeOfDay {
  readonly hour: number
  readonly min: number
}

/** Interval, times of day, cron and the manual mark (spec 06, 10.2). Throws CommandError. */
export function applyScheduling(changes: PolicyChanges, values: SetValues): void {
  const interval = values['snapshot-interval'][0]
  const times = values['snapshot-time'].filter((t) => t !== '')
  const cron = values['snapshot-time-crontab']
  if (values.manual) {
    if (interval !== undefined || times.length > 0 || cron)
      throw new CommandError('scheduling policy: cannot set manual field when scheduling snapshots')
    setManual(changes)
    return
  }
  if (interval !== undefined)
    changes.set(
      ['scheduling', 'intervalSeconds'],
      Number(interval / 1_000_000_000n),
      `setting snapshot interval to ${goDuration(interval)}`,
    )
  if (times.length > 0) applyTimes(changes, times)
  if (cron) applyCron(changes, cron)
  applyRunMissed(changes, values['run-missed'])
  if (changes.get(['scheduling', 'manual'])) changes.remove(['scheduling', 'manual'], 'resetting manual snapshot field to false')
}

function setManual(changes: PolicyChanges): void {
  for (const key of ['intervalSeconds', 'timeOfDay', 'cron', 'runMissed']) changes.setQuietly(['scheduling', key], undefined)
  changes.set(['scheduling', 'manual'], true, 'setting manual snapshot field to true')
}

function applyTimes(changes: PolicyChanges, words: readonly string[]): void {
  let times: TimeOfDay[] = []
  for (const word of words)
    for (const text of word.split(',')) {
      if (text === 'inherit') {
        times = []
        break
      }
      times.push(timeOfDay(text))
    }
  const unique = [...new Map(times.map((t) => [t.hour * 60 + t.min, t])).entries()].sort(([a], [b]) => a - b).map(([, t]) => t)
  if (unique.length === 0) {
    changes.remove(['scheduling', 'timeOfDay'], 'resetting snapshot times of day to default')
    return
  }
  const text = unique.map(({ hour, min }) => `${hour}:${String(min).padStart(2, '0')}`).join(',')
  changes.set(['scheduling', 'timeOfDay'], unique, `setting snapshot times to ${text}`)
}

function timeOfDay(text: string): TimeOfDay {
  const m = /^(\d{1,2}):(\d{1,2})$/.exec(text)
  const [hour, min] = [Number(m?.[1]), Number(m?.[2])]
  if (!m || hour > 23 || min > 59) throw new CommandError(`scheduling policy: unable to parse time of day "${text}", must be HH:MM`)
  return { hour, min }
}

function applyCron(changes: PolicyChanges, text: string): void {
  const lines = text
    .split(';')
    .map((l) => l.trim())
    .filter((l) => l !== '')
  if (lines.length === 1 && (lines[0] === 'inherit' || lines[0] === 'default')) {
    changes.remove(['scheduling', 'cron'], 'resetting cron snapshot times to default')
    return
  }
  for (const line of lines) if (!parseCron(line)) throw new CommandError(`scheduling policy: invalid cron expression "${line}"`)
  changes.set(['scheduling', 'cron'], lines, `setting cron snapshot times to ${lines.join('; ')}`)
}

function applyRunMissed(changes: PolicyChanges, text: string | undefined): void {
  if (text === undefined) return
  if (text === 'inherit') {
    changes.remove(['scheduling', 'runMissed'], 'resetting "run missed snapshots" to default')
    return
  }
  changes.set(['scheduling', 'runMissed'], text === 'true', `setting "run missed snapshots" to ${text}.`)
}
