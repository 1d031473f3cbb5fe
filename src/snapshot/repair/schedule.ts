import { messageOf } from '#base/errors.ts'
import { maintenanceKey } from '#repo/crypto/keys.ts'
import { emptySchedule, MaintenanceScheduleError, readSchedule, scheduleBlob, writeSchedule } from '#repo/maintenance/schedule.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { type Finding, keepCopy } from './finding.ts'

/** The maintenance schedule, where it cannot be read (empty, cut, flipped bits). Throws the storage's errors. Source: spec 07, 7.6.2. */
export async function lookAtSchedule(repository: DirectRepository, copies: string): Promise<Finding | undefined> {
  const key = maintenanceKey(repository.format, repository.formatKey)
  try {
    await readSchedule(repository.blobs, key)
    return undefined
  } catch (error) {
    if (!(error instanceof MaintenanceScheduleError)) throw error
    return {
      kind: 'schedule',
      subject: scheduleBlob,
      problem: `maintenance does not run: ${messageOf(error.cause)}`,
      remedy: 'begin a new schedule without a history (a copy of the old one is kept); deletions then wait as long as after a first run',
      mend: async () => {
        const copy = await keepCopy(repository.blobs, scheduleBlob, copies)
        await writeSchedule(repository.blobs, key, emptySchedule)
        return `a new schedule was begun; a copy of the old one is ${copy}`
      },
    }
  }
}
