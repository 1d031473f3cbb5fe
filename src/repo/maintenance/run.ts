import { messageOf } from '#base/errors.ts'
import type { JsonValue } from '#base/go-json.ts'
import { StorageFullError } from '#repo/blob/errors.ts'
import { maintenanceKey } from '#repo/crypto/keys.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { MaintenanceRefusedError, NotMaintenanceOwnerError } from './errors.ts'
import { requireWholeIndexes } from './indexes.ts'
import { lockMaintenance, type MaintenanceLock } from './lock.ts'
import { defaultParameters, type MaintenanceParameters, readParameters } from './parameters.ts'
import { planCycle } from './plan.ts'
import type { Safety } from './safety.ts'
import { type MaintenanceSchedule, readSchedule, scheduleBlob, withRun, writeSchedule } from './schedule.ts'
import type { TaskStatistics } from './statistics.ts'
import { runTask, type TaskContext } from './tasks.ts'

const maxClockSkewMs = 5 * 60_000

export type MaintenanceMode = 'quick' | 'full'

export interface MaintenanceRequest {
  /** `auto`: what is due, if this client is the owner. */
  readonly mode: MaintenanceMode | 'auto'
  /** Also when another client is the owner. */
  readonly force?: boolean
  readonly safety: Safety
  /** The storage has no room to copy contents together. */
  readonly copiesNothing?: boolean
  /** Marks what no snapshot needs as deleted; returns the statistics of `snapshot-gc`. */
  readonly collectGarbage: (
    repository: DirectRepository,
    cycle: { readonly startedMs: number; readonly safety: Safety },
  ) => Promise<JsonValue>
  readonly onStart?: (mode: MaintenanceMode) => void
  readonly warn?: (message: string) => void
}

export interface FinishedTask {
  readonly task: string
  readonly statistics: TaskStatistics
}

export interface MaintenanceOutcome {
  readonly mode: MaintenanceMode
  readonly tasks: readonly FinishedTask[]
}

/** Runs a cycle of maintenance; undefined when none was due, somebody else is the owner (auto), or another program with this configuration
 *  is at it. Throws NotMaintenanceOwnerError, MaintenanceRefusedError, MaintenanceScheduleError, and what the first failing task throws.
 *  Source: spec 07, 7.6.3 and 7.6.4. */
export async function runMaintenance(repository: DirectRepository, request: MaintenanceRequest): Promise<MaintenanceOutcome | undefined> {
  const { contents, client } = repository
  const isAuto = request.mode === 'auto'
  if (client.readOnly || !contents.upkeep) {
    if (isAuto) return undefined
    throw new MaintenanceRefusedError('maintenance cannot run over a read-only connection')
  }
  return contents.upkeep.withoutRefresh(async () => {
    const parameters = (await readParameters(repository.manifests)) ?? defaultParameters
    const me = `${client.username}@${client.hostname}`
    if (parameters.owner !== me && !request.force) {
      if (isAuto) return undefined
      throw new NotMaintenanceOwnerError(
        `maintenance must be run by the owner, ${parameters.owner || 'who is not set yet'}, and this is ${me}. Take over with "kura maintenance set --owner=me", or use --force.`,
      )
    }
    const cycle = new Cycle(repository, request, parameters)
    const mode = isAuto ? await cycle.dueMode() : (request.mode as MaintenanceMode)
    if (!mode) return undefined
    const lock = repository.configFile === '' ? noLock : await lockMaintenance(repository.configFile)
    if (!lock) return undefined
    try {
      return await cycle.run(mode)
    } finally {
      await lock.release()
    }
  })
}

/** A repository that was opened without a configuration file has nobody to be locked out. */
const noLock: MaintenanceLock = { release: async () => undefined }

class Cycle {
  readonly #key: Buffer
  readonly #finished: FinishedTask[] = []
  #hasFailedToRecord = false

  constructor(
    readonly repository: DirectRepository,
    readonly request: MaintenanceRequest,
    readonly parameters: MaintenanceParameters,
  ) {
    this.#key = maintenanceKey(repository.format, repository.formatKey)
  }

  async dueMode(): Promise<MaintenanceMode | undefined> {
    const { quick, full } = this.parameters
    const { nextFullNs, nextQuickNs } = await this.#schedule()
    const nowNs = this.repository.clock.nowNs()
    if (full.enabled && nowNs >= nextFullNs) return 'full'
    return quick.enabled && nowNs >= nextQuickNs ? 'quick' : undefined
  }

  async run(mode: MaintenanceMode): Promise<MaintenanceOutcome> {
    const { repository, request, parameters } = this
    const { safety, warn = () => undefined } = request
    request.onStart?.(mode)
    // What this session has written must count.
    await repository.flush()
    const startedMs = await this.#begin(mode)
    await repository.contents.refresh()
    requireWholeIndexes(repository.contents)
    const context: TaskContext = { repository, parameters, safety, startedMs, warn }
    if (mode === 'full') await this.#report('snapshot-gc', () => request.collectGarbage(repository, { startedMs, safety }))
    const plan = planCycle({
      mode,
      usesEpochs: repository.format.epochs.enabled,
      extendObjectLocks: parameters.extendObjectLocks,
      schedule: await this.#schedule(),
      safety,
      nowMs: repository.clock.nowMs(),
    })
    for (const planned of plan) {
      if (planned.kind === 'rewrite' && request.copiesNothing) continue
      try {
        await this.#report(planned.task, () => runTask(context, planned))
      } catch (error) {
        // Where there is no room to write anything, what only takes away must still be done.
        if (!(error instanceof StorageFullError)) throw error
        warn(`${planned.task} was left unfinished: ${messageOf(error)} Run maintenance again once there is room.`)
      }
    }
    return { mode, tasks: this.#finished }
  }

  #schedule(): Promise<MaintenanceSchedule> {
    return readSchedule(this.repository.blobs, this.#key)
  }

  /** Moves the schedule, so that a run that crashes is not begun again and again, and gives the time that the storage says it is. */
  async #begin(mode: MaintenanceMode): Promise<number> {
    const { clock, blobs } = this.repository
    const { quick, full } = this.parameters
    const nowNs = clock.nowNs()
    const schedule = await this.#schedule()
    const nextQuickNs = nowNs + quick.intervalNs
    const nextFullNs = mode === 'full' ? nowNs + full.intervalNs : schedule.nextFullNs
    await writeSchedule(blobs, this.#key, { ...schedule, nextQuickNs, nextFullNs })
    const { modifiedMs } = await blobs.stat(scheduleBlob)
    const skewMs = Math.abs(modifiedMs - clock.nowMs())
    if (skewMs > maxClockSkewMs)
      throw new MaintenanceRefusedError(
        `the clocks of this computer and of ${blobs.displayName} differ by ${Math.round(skewMs / 1000)} s, more than 5 minutes; nothing was done. Set the clock first.`,
      )
    return modifiedMs
  }

  /** Runs a task and puts its run into the schedule. */
  async #report(task: string, work: () => Promise<TaskStatistics>): Promise<void> {
    const { clock } = this.repository
    const startNs = clock.nowNs()
    try {
      const statistics = await work()
      await this.#record(task, {
        startNs,
        endNs: clock.nowNs(),
        success: true,
        error: '',
        extra: statistics === undefined ? [] : [statistics],
      })
      this.#finished.push({ task, statistics })
    } catch (error) {
      await this.#record(task, { startNs, endNs: clock.nowNs(), success: false, error: messageOf(error), extra: [] })
      throw error
    }
  }

  /** The schedule is read again each time: somebody may pause maintenance meanwhile. */
  async #record(task: string, run: Parameters<typeof withRun>[2]): Promise<void> {
    try {
      await writeSchedule(this.repository.blobs, this.#key, withRun(await this.#schedule(), task, run))
    } catch (error) {
      if (this.#hasFailedToRecord) return
      this.#hasFailedToRecord = true
      this.request.warn?.(`the run of ${task} could not be recorded: ${messageOf(error)}`)
    }
  }
}
