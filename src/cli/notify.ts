import { hostname } from 'node:os'
import type { Repository } from '#repo/repository/repository.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import type { NotificationEvent } from '#snapshot/notify/events.ts'
import type { SendSettings } from '#snapshot/notify/send.ts'
import type { CreateResult } from '#snapshot/upload/create.ts'
import type { CommandContext } from './context.ts'
import { goDuration } from './print/duration.ts'
import { programBuild, programVersion } from './version.ts'

/** How this command sends notifications. */
export const sendSettings = (c: CommandContext, repository: Repository): SendSettings => ({
  forms: { bytes: (value) => c.sizes.bytes(value), duration: goDuration },
  hostname: hostname(),
  version: programVersion,
  buildInfo: programBuild,
  nowNs: repository.clock.nowNs(),
  warn: (message) => c.log.warning(message),
})

/** Of nobody to tell, nothing more is loaded. */
async function hasProfiles(repository: Repository): Promise<boolean> {
  const profiles = await repository.manifests.find({ type: 'notificationProfile' }).catch(() => [])
  return profiles.length > 0
}

/** Tells the notification profiles of an event. Nothing is thrown: who cannot be told is warned of. */
async function notify(c: CommandContext, repository: Repository, event: NotificationEvent, severity: number): Promise<void> {
  const { sendNotification } = await import('#snapshot/notify/send.ts')
  await sendNotification(repository, event, severity, sendSettings(c, repository))
}

/** How one source went. */
export interface SnapshotOutcome {
  readonly source: SourceInfo
  readonly result?: CreateResult
  /** Why there is no snapshot, '' when there is one. */
  readonly error: string
}

/** Tells of snapshots that were made, or failed (spec 05, 5.7.5). */
export async function notifyOfSnapshots(c: CommandContext, repository: Repository, outcomes: readonly SnapshotOutcome[]): Promise<void> {
  if (outcomes.length === 0 || !(await hasProfiles(repository))) return
  const [{ overallStatus, unmadeSnapshot }, { severities }] = await Promise.all([
    import('#snapshot/notify/events.ts'),
    import('#snapshot/notify/severity.ts'),
  ])
  const nowNs = repository.clock.nowNs()
  const snapshots = outcomes.map(({ source, result, error }) => ({
    manifest: result?.snapshot ?? unmadeSnapshot(source, nowNs),
    previous: result?.previous,
    error,
  }))
  const status = overallStatus(snapshots)
  const severity = status === 'fatal' ? severities.error : status === 'warnings' ? severities.warning : severities.report
  await notify(c, repository, { name: 'snapshot-report', snapshots }, severity)
}

/** Tells of a command that failed with an open repository, where --error-notifications wants it (spec 05, 5.7.5). */
export async function notifyOfFailure(
  c: CommandContext,
  { path, startNs, message }: { readonly path: readonly string[]; readonly startNs: bigint; readonly message: string },
): Promise<void> {
  const when = c.globals['error-notifications']
  if (!c.wasOpened || when === 'never' || (when === 'non-interactive' && c.io.outIsTerminal)) return
  const repository = await c.open().catch(() => undefined)
  if (!repository || !(await hasProfiles(repository))) return
  const { severities } = await import('#snapshot/notify/severity.ts')
  const operation = path.join(' ')
  const event: NotificationEvent = {
    name: 'generic-error',
    operation,
    operationDetails: operation,
    startNs,
    endNs: repository.clock.nowNs(),
    errorMessage: message,
    errorDetails: message,
  }
  await notify(c, repository, event, severities.error)
}
