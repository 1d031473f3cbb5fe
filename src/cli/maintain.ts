import { type DirectRepository, isDirect, type Repository } from '#repo/repository/repository.ts'
import type { CommandContext } from './context.ts'

export interface MaintainOptions {
  readonly mode: 'quick' | 'full' | 'auto'
  readonly force?: boolean
  readonly safetyName?: string
}

/** Runs maintenance and logs what it does. Throws what makes it fail. */
export async function maintain(c: CommandContext, repository: DirectRepository, options: MaintainOptions): Promise<void> {
  const [{ runMaintenance }, { safetyOf }, { collectGarbage }] = await Promise.all([
    import('#repo/maintenance/run.ts'),
    import('#repo/maintenance/safety.ts'),
    import('#snapshot/gc/collect.ts'),
  ])
  const outcome = await runMaintenance(repository, {
    mode: options.mode,
    force: options.force ?? false,
    safety: safetyOf(options.safetyName ?? 'full'),
    collectGarbage,
    onStart: (mode) => c.log.info(`Running ${mode} maintenance...`),
    warn: (message) => c.log.warning(message),
  })
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
