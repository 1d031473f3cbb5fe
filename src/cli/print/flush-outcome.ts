import type { CommandContext } from '#cli/context.ts'
import type { DoorOutcome, DoorRequest } from '#mount/backup/doorway.ts'

/** Asks a writable mount for a flush, by itself or before it ends, and says what happens. Undefined when there is none at that path. */
export async function askForFlush(
  c: CommandContext,
  mountPoint: string,
  request: DoorRequest,
): Promise<readonly DoorOutcome[] | undefined> {
  const { askMount } = await import('#mount/backup/door-client.ts')
  const outcomes = await askMount(mountPoint, request, ({ phase, files, bytes }) => {
    if (c.showsProgress) c.io.err(`\r${phase}: ${files} files, ${c.sizes.bytes(bytes)}   `)
  })
  if (c.showsProgress) c.io.err('\r\x1b[K')
  for (const { source, snapshotId, isIdentical, files, error } of outcomes ?? []) {
    if (error !== '') c.log.error(`${source} could not be flushed: ${error}`)
    else if (isIdentical) c.log.info(`${source}: nothing has changed since snapshot ${snapshotId}`)
    else c.log.info(`${source}: snapshot ${snapshotId}, ${files} files`)
  }
  return outcomes
}

export const failedOutcomes = (outcomes: readonly DoorOutcome[]): number => outcomes.filter((o) => o.error !== '').length
