import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { goDuration } from '#cli/print/duration.ts'
import type { BlobRetention } from '#repo/format/repository-format.ts'
import type { MaintenanceParameters } from '#repo/maintenance/parameters.ts'

const dayNs = 86_400_000_000_000n

/** Locks that maintenance extends must outlive the time between two full cycles by a day: to be asked before one of the three is changed
 *  (spec 07, 7.6.12). Throws CommandError. */
export function checkObjectLocks(c: CommandContext, { extendObjectLocks, full }: MaintenanceParameters, retention: BlobRetention): void {
  if (!extendObjectLocks || retention.mode === '' || retention.periodNs <= 0n) return
  if (!full.enabled) c.log.warning('Object locks are extended by full maintenance, which is disabled.')
  else if (retention.periodNs - full.intervalNs < dayNs)
    throw new CommandError(
      `the retention period ${goDuration(retention.periodNs)} must be at least 24h longer than the full maintenance interval ${goDuration(full.intervalNs)}; nothing was changed`,
    )
}
