import { KuraError } from '#base/errors.ts'
import { type DirectRepository, isDirect, type Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { CommandContext } from './context.ts'
import { CommandError } from './exit.ts'

const maxAttempts = 5

export interface MaintainOptions {
  readonly mode: 'quick' | 'full' | 'auto'
  readonly force?: boolean
  readonly safetyName?: string
}

/** Loads what runs maintenance. */
export const loadMaintenance = () =>
  Promise.all([import('#repo/maintenance/run.ts'), import('#repo/maintenance/safety.ts'), import('#snapshot/gc/collect.ts')])

/** Runs maintenance and logs what it does. Throws what makes it fail. */
export async function maintain(c: CommandContext, repository: DirectRepository, options: MaintainOptions): Promise<void> {
  const [{ runMaintenance }, { safetyOf }, { collectGarbage }] = await loadMaintenance()
  const safety = safetyOf(options.safetyName ?? 'full')
  const request = {
    mode: options.mode,
    force: options.force ?? false,
    safety,
    collectGarbage,
    onStart: (mode: string) => c.log.info(`Running ${mode} maintenance...`),
    warn: (message: string) => c.log.warning(message),
  }
  const isAlone = options.safetyName === 'none'
  const run = (attempt: number) => runMaintenance(repository, { ...request, copiesNothing: attempt > 1 })
  // By itself it gives up nothing that the tables of safety would spare.
  const outcome =
    options.mode === 'auto'
      ? await run(1)
      : await withRoom(c, repository, { safetyName: options.safetyName ?? 'full', doomed: [], isAlone }, run)
  if (!outcome) return
  const { describeSpace, garbageLines } = await import('./print/maintenance-report.ts')
  for (const { task, statistics } of outcome.tasks)
    if (task === 'snapshot-gc') for (const line of garbageLines(statistics, c.sizes)) c.log.info(line)
  for (const line of describeSpace(outcome, c.sizes)) c.log.info(line)
  c.log.info(`Finished ${outcome.mode} maintenance.`)
}

/** What is due after a command that has written, unless it is switched off; nothing when another client is the owner (spec 06, 4.1). */
export async function maintainAfterWrite(c: CommandContext): Promise<void> {
  if (!c.wasOpened || c.globals['auto-maintenance'] === false) return
  const repository: Repository = await c.open()
  if (isDirect(repository) && !repository.client.readOnly) await maintain(c, repository, { mode: 'auto' })
}

/** Does `work`; when the storage is full, gives up what nobody needs and does it again. */
export async function withRoom<T>(
  c: CommandContext,
  repository: DirectRepository,
  { safetyName, ...request }: { readonly safetyName: string; readonly doomed: readonly Snapshot[]; readonly isAlone: boolean },
  work: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt)
    } catch (error) {
      if (attempt === maxAttempts || !(error instanceof KuraError && error.code === 'STORAGE_FULL')) throw error
      c.log.warning('The storage is full. Looking for something to give up...')
      const [{ makeRoom }, { safetyOf }] = await Promise.all([import('#snapshot/gc/room.ts'), import('#repo/maintenance/safety.ts')])
      const onFreed = (what: string, bytes: number) => c.log.info(`Gave up ${what}: ${c.sizes.bytes(bytes)}.`)
      if (await makeRoom(repository, { ...request, safety: safetyOf(safetyName), onFreed })) continue
      throw new CommandError(
        `${error.message} There is nothing that may be given up: if nobody else is connected, delete snapshots and run "kura maintenance run --full --safety=none", or make room by hand.`,
        { cause: error },
      )
    }
  }
}
