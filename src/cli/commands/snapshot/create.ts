import { resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError, SilentFailure } from '#cli/exit.ts'
import { defineCommand, type Flag, jsonFlags, type ValuesOf } from '#cli/flag.ts'
import type { SnapshotOutcome } from '#cli/notify.ts'
import { wholeSeconds } from '#cli/print/duration.ts'
import { printSnapshotJson } from '#cli/print/snapshot-json.ts'
import { logLevelsOf, UploadLog } from '#cli/print/upload-log.ts'
import { UploadProgress } from '#cli/print/upload-progress.ts'
import { programVersion } from '#cli/version.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import type { CreateRequest, CreateResult } from '#snapshot/upload/create.ts'
import type { ActionSettings } from '#snapshot/upload/hooks.ts'
import { parseTags } from './list.ts'
import { parsePrintedTime } from './printed-time.ts'

const maxCheckpointNs = 2_700_000_000_000n
const maxDescriptionBytes = 1024

const flags = [
  { name: 'all', type: 'bool', describe: 'Every source of this user and host that is not manual' },
  { name: 'upload-limit-mb', type: 'int64', default: '0', placeholder: 'MB' },
  { name: 'checkpoint-interval', type: 'duration', hidden: true },
  { name: 'description', type: 'string' },
  { name: 'fail-fast', type: 'bool', env: 'KOPIA_SNAPSHOT_FAIL_FAST', describe: 'Stop at the first error' },
  { name: 'force-hash', type: 'float', default: '0' },
  { name: 'parallel', type: 'int', default: '0', placeholder: 'N' },
  { name: 'start-time', type: 'string' },
  { name: 'end-time', type: 'string' },
  { name: 'stdin-file', type: 'string', describe: 'Store standard input as a file of this name' },
  { name: 'tags', type: 'string', repeated: true },
  { name: 'pin', type: 'string', repeated: true },
  { name: 'flush-per-source', type: 'bool', hidden: true },
  { name: 'override-source', type: 'string' },
  { name: 'hint-streaming-reads', type: 'bool', hidden: true },
  { name: 'send-snapshot-report', type: 'bool', default: 'true', describe: 'Tell of the outcome by the notification profiles' },
  { name: 'log-dir-detail', type: 'int', describe: 'Log detail of directories, 0 to 10, instead of the policy' },
  { name: 'log-entry-detail', type: 'int', describe: 'Log detail of entries, 0 to 10, instead of the policy' },
  { name: 'force-enable-actions', type: 'bool', hidden: true },
  { name: 'force-disable-actions', type: 'bool', hidden: true },
  ...jsonFlags,
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof flags)[number]>

interface WantedSource {
  readonly source: SourceInfo
  readonly localPath: string
  /** The recorded source is not the one that is read, so it cannot be scheduled. */
  readonly isOverridden: boolean
}

/** The engine is to inline little: for a program that runs for seconds it costs more to compile large functions than they save. */
const compilerFlags = '--max-inlined-bytecode-size-cumulative=100'

export const create = defineCommand({
  args: [{ name: 'source', type: 'string', repeated: true }],
  flags,
  async run(c, values) {
    setFlagsFromString(compilerFlags)
    const name = values['stdin-file']
    const stream = name === undefined ? {} : { stream: { name: checkedName(name), data: c.io.inputStream() } }
    const settings = { ...requestSettings(c, values), ...stream }
    const stop = c.stop
    const [repository] = await Promise.all([c.open(), loadAhead()])
    const sources = await wantedSources(repository, values)
    if (values['stdin-file'] !== undefined && sources.length !== 1)
      throw new CommandError('--stdin-file needs exactly one source to record the data under')
    await claimMaintenance(repository)
    await resume(c, repository)
    const failures: string[] = []
    const outcomes: SnapshotOutcome[] = []
    let isPartial = false
    for (const wanted of sources) {
      if (stop.aborted) break
      try {
        const result = await snapshotOne(c, repository, wanted, values, settings, failures)
        isPartial = result.snapshot.incomplete !== undefined
        outcomes.push({ source: wanted.source, result, error: '' })
      } catch (error) {
        failures.push(messageOf(error))
        outcomes.push({ source: wanted.source, error: messageOf(error) })
      }
      if (values['flush-per-source']) await repository.flush()
    }
    // What has been saved is kept, whatever happened to the other sources.
    await repository.flush()
    if (values['send-snapshot-report']) await (await import('#cli/notify.ts')).notifyOfSnapshots(c, repository, outcomes)
    if (failures.length === 1) throw new CommandError(failures[0] as string)
    if (failures.length > 1) throw new CommandError(`encountered ${failures.length} errors:\n${failures.join('\n')}`)
    if (stop.aborted) {
      c.log.warning(
        isPartial
          ? 'The upload was cancelled: what had been read is saved as an incomplete snapshot.'
          : 'Cancelled: sources that were not reached have no new snapshot.',
      )
      throw new SilentFailure()
    }
  },
})

/** Has all that the open repository will be used with loaded while its key is being derived. */
const loadAhead = () =>
  Promise.all([
    import('#snapshot/upload/create.ts'),
    import('#snapshot/upload/losses.ts'),
    import('#snapshot/model/source-text.ts'),
    import('#snapshot/policy/store.ts'),
    import('#repo/maintenance/owner.ts'),
    import('#repo/repository/resume.ts'),
    import('#cli/notify.ts'),
  ])

/** A file name that readers can restore. Throws CommandError. */
function checkedName(name: string): string {
  if (/^\.{0,2}$|\/|\0/.test(name)) throw new CommandError(`--stdin-file=${name}: it must be a plain file name`)
  return name
}

/** The parts of a request that are the same for every source. Throws CommandError. */
function requestSettings(c: CommandContext, values: Values): Omit<CreateRequest, 'source' | 'localPath'> {
  const interval = values['checkpoint-interval']
  if (interval !== undefined && interval > maxCheckpointNs)
    throw new CommandError('upload error: checkpoint interval cannot be greater than 45m0s')
  if (Buffer.byteLength(values.description ?? '') > maxDescriptionBytes) throw new CommandError('description too long')
  const startNs = values['start-time'] === undefined ? undefined : parsePrintedTime(values['start-time'], 'start-time', c.times.zone)
  const endNs = values['end-time'] === undefined ? undefined : parsePrintedTime(values['end-time'], 'end-time', c.times.zone)
  if (startNs !== undefined && endNs !== undefined && startNs > endNs)
    throw new CommandError('start time override cannot be after the end time override')
  return {
    ...(values.parallel > 0 ? { parallel: values.parallel } : {}),
    ...(values['force-hash'] > 0 ? { forceHashPercent: values['force-hash'] } : {}),
    ...(values['upload-limit-mb'] > 0 ? { uploadLimitBytes: values['upload-limit-mb'] * 2 ** 20 } : {}),
    ...(interval === undefined ? {} : { checkpointIntervalMs: Number(interval / 1_000_000n) }),
    failFast: values['fail-fast'],
    description: values.description ?? '',
    tags: parseTags(values.tags),
    pins: values.pin,
    ...(startNs === undefined ? {} : { startNs }),
    ...(endNs === undefined ? {} : { endNs }),
  }
}

async function wantedSources(repository: Repository, values: Values & { readonly source: readonly string[] }): Promise<WantedSource[]> {
  const { localSource, parseSource } = await import('#snapshot/model/source-text.ts')
  const { username: user, hostname: host } = repository.client
  if (values.all && values.source.length > 0) throw new CommandError('cannot use --all when a source path argument is specified')
  const override = values['override-source']
  const recorded = override === undefined ? undefined : parseSource(override, { user, host })
  if (recorded && (recorded.path === '' || recorded.user === '' || recorded.host === ''))
    throw new CommandError(`the source ${override} must have a user, a host and a path`)
  const sources: WantedSource[] = values.source.map((path) => ({
    source: recorded ?? localSource(path, { user, host }),
    localPath: resolve(path),
    isOverridden: recorded !== undefined,
  }))
  if (values.all)
    for (const source of await allOwnSources(repository)) sources.push({ source, localPath: source.path, isOverridden: false })
  if (sources.length === 0) throw new CommandError('no snapshot sources')
  return sources
}

/** Sources of this client that are in the repository and not manual. */
async function allOwnSources(repository: Repository): Promise<SourceInfo[]> {
  const [{ listSources }, { effectivePolicy }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/policy/store.ts'),
  ])
  const { username, hostname } = repository.client
  const found: SourceInfo[] = []
  for (const source of await listSources(repository)) {
    if (source.user !== username || source.host !== hostname) continue
    if (!(await effectivePolicy(repository, source)).effective.scheduling.manual) found.push(source)
  }
  return found
}

/** Who makes the first snapshot takes care of maintenance, unless somebody does already (spec 06, 8.1). */
async function claimMaintenance(repository: Repository): Promise<void> {
  const [{ isDirect }, { ensureMaintenanceOwner }] = await Promise.all([
    import('#repo/repository/repository.ts'),
    import('#repo/maintenance/owner.ts'),
  ])
  const { username, hostname } = repository.client
  if (isDirect(repository)) await ensureMaintenanceOwner(repository.manifests, `${username}@${hostname}`)
}

/** An earlier run that was killed has left packs behind: what is in them need not be uploaded again. */
async function resume(c: CommandContext, repository: Repository): Promise<void> {
  const [{ isDirect }, { resumeAbandonedSessions }] = await Promise.all([
    import('#repo/repository/repository.ts'),
    import('#repo/repository/resume.ts'),
  ])
  if (!isDirect(repository)) return
  const count = await resumeAbandonedSessions(repository)
  if (count > 0) c.log.info(`Going on with ${count} contents that an earlier run had uploaded.`)
}

/** Of what the connection and the two flags say, a "no" on this line comes first (spec 06, 8.1). */
const actionSettings = (c: CommandContext, repository: Repository, values: Values): ActionSettings => ({
  isEnabled: (repository.client.enableActions || values['force-enable-actions']) && !values['force-disable-actions'],
  version: programVersion,
  environment: c.env,
  onErrorOutput: (chunk) => c.io.err(chunk.toString()),
})

const maxLogDetail = 10

async function uploadLog(c: CommandContext, repository: Repository, source: SourceInfo, values: Values): Promise<UploadLog> {
  const { effectivePolicy } = await import('#snapshot/policy/store.ts')
  const { logging } = (await effectivePolicy(repository, source)).effective
  return new UploadLog(c, logLevelsOf(logging, detail(values, 'log-dir-detail'), detail(values, 'log-entry-detail')))
}

/** -1, or nothing, leaves it to the policy. Throws CommandError. */
function detail(values: Values, flag: 'log-dir-detail' | 'log-entry-detail'): number | undefined {
  const level = values[flag]
  if (level === undefined || level === -1) return undefined
  if (level < 0 || level > maxLogDetail) throw new CommandError(`--${flag}=${level}: it must be between 0 and ${maxLogDetail}`)
  return level
}

async function snapshotOne(
  c: CommandContext,
  repository: Repository,
  { source, localPath, isOverridden }: WantedSource,
  values: Values,
  settings: Omit<CreateRequest, 'source' | 'localPath'>,
  failures: string[],
): Promise<CreateResult> {
  const [{ createSnapshot }, { formatSource }] = await Promise.all([
    import('#snapshot/upload/create.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  const name = formatSource(source)
  c.log.info(`Snapshotting ${name} ...`)
  const progress = new UploadProgress(c, repository, await uploadLog(c, repository, source, values))
  if (c.showsProgress && !settings.stream) progress.estimate(localPath, source)
  let result: CreateResult
  try {
    const actions = actionSettings(c, repository, values)
    result = await createSnapshot(repository, { ...settings, source, localPath, actions }, progress, c.stop)
  } finally {
    progress.end()
  }
  await report(c, result, values)
  if (isOverridden || settings.stream) await markManual(repository, source)
  const { summary } = result.snapshot.rootEntry ?? {}
  const ignored = summary?.ignoredErrorCount ?? result.snapshot.stats.ignoredErrorCount
  const fatal = summary?.fatalErrorCount ?? result.snapshot.stats.errorCount
  if (ignored > 0) c.log.warning(`Ignored ${ignored} error(s) while snapshotting ${name}.`)
  if (fatal > 0) failures.push(`Found ${fatal} fatal error(s) while snapshotting ${name}.`)
  return result
}

async function report(c: CommandContext, { snapshot, isIdentical, losses }: CreateResult, values: Values): Promise<void> {
  const { describeLosses } = await import('#snapshot/upload/losses.ts')
  for (const line of describeLosses(losses)) c.log.info(`NOTE: ${line}`)
  if (isIdentical) return c.log.info('Not saving the snapshot: no files have changed since the previous one.')
  if (values.json) return printSnapshotJson(c.io, snapshot, { indent: values['json-indent'], stats: values['json-verbose'], losses })
  const kind = snapshot.incomplete ? 'partial snapshot' : 'snapshot'
  const took = wholeSeconds(snapshot.endNs - snapshot.startNs)
  c.log.info(`Created ${kind} with root ${snapshot.rootEntry?.objectId ?? ''} and ID ${snapshot.id} in ${took}`)
}

async function markManual(repository: Repository, source: SourceInfo): Promise<void> {
  const [{ getPolicy, setPolicy }, { emptyPolicy }] = await Promise.all([
    import('#snapshot/policy/store.ts'),
    import('#snapshot/policy/defaults.ts'),
  ])
  const policy = (await getPolicy(repository, source))?.policy ?? emptyPolicy
  if (!policy.scheduling.manual) await setPolicy(repository, source, { ...policy, scheduling: { manual: true } })
}
