import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { KuraError } from '#base/errors.ts'
import { goJson, type JsonValue, parseLosslessJson, sortedMap } from '#base/go-json.ts'
import { asObject, booleanOf, type JsonObject, memberOf, stringOf } from '#base/json-read.ts'
import { formatTimeNs, parseTimeNs } from '#base/time.ts'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import type { BlobInfo, BlobStorage } from '#repo/blob/storage.ts'

export const scheduleBlob = 'kopia.maintenance'
const nonceBytes = 12
const tagBytes = 16
const additional = Buffer.from('maintenance')
const maxRunsPerTask = 50
const what = 'the maintenance schedule'

/** A time that was never set, as Go writes it. */
export const unsetTimeNs = parseTimeNs('0001-01-01T00:00:00Z')

/** The schedule blob cannot be opened or understood. It is never overwritten then: it may say that blobs must not be deleted yet. */
export class MaintenanceScheduleError extends KuraError {
  readonly code = 'MAINTENANCE_SCHEDULE'
}

/** One run of a task. `extra` are its statistics as JSON, of kinds that we may not know. */
export interface TaskRun {
  readonly startNs: bigint
  readonly endNs: bigint
  readonly success: boolean
  readonly error: string
  readonly extra: readonly JsonValue[]
}

/** When maintenance is due, and what it did (spec 07, 7.6.2). */
export interface MaintenanceSchedule {
  readonly nextFullNs: bigint
  readonly nextQuickNs: bigint
  /** Newest first. */
  readonly runs: Readonly<Record<string, readonly TaskRun[]>>
}

export const emptySchedule: MaintenanceSchedule = { nextFullNs: unsetTimeNs, nextQuickNs: unsetTimeNs, runs: {} }

/** Reads the schedule; empty where there is no blob. `key` = maintenanceKey. Throws MaintenanceScheduleError and the storage's errors. */
export async function readSchedule(storage: BlobStorage, key: Uint8Array): Promise<MaintenanceSchedule> {
  let sealed: Buffer
  try {
    sealed = await storage.get(scheduleBlob)
  } catch (error) {
    if (error instanceof BlobNotFoundError) return emptySchedule
    throw error
  }
  return openSchedule(sealed, key)
}

/** Writes the schedule. Throws the storage's errors. */
export function writeSchedule(storage: BlobStorage, key: Uint8Array, schedule: MaintenanceSchedule): Promise<BlobInfo> {
  return storage.put(scheduleBlob, [sealSchedule(schedule, key, randomBytes(nonceBytes))])
}

/** The schedule with one more run of a task in front; no more than 50 are kept. */
export function withRun(schedule: MaintenanceSchedule, task: string, run: TaskRun): MaintenanceSchedule {
  return { ...schedule, runs: { ...schedule.runs, [task]: [run, ...(schedule.runs[task] ?? [])].slice(0, maxRunsPerTask) } }
}

/** Bytes of the blob. `nonce` has 12 bytes and is never used twice. */
export function sealSchedule(schedule: MaintenanceSchedule, key: Uint8Array, nonce: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(additional)
  return Buffer.concat([nonce, cipher.update(goJson(scheduleJson(schedule)), 'utf8'), cipher.final(), cipher.getAuthTag()])
}

/** Throws MaintenanceScheduleError for what is cut, sealed with another key, or not a schedule. */
export function openSchedule(sealed: Buffer, key: Uint8Array): MaintenanceSchedule {
  try {
    if (sealed.length < nonceBytes + tagBytes) throw new MaintenanceScheduleError(`it has only ${sealed.length} bytes`)
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes)).setAAD(additional)
    decipher.setAuthTag(sealed.subarray(-tagBytes))
    const plain = Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()])
    return parseSchedule(asObject(parseLosslessJson(plain.toString()), what))
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new MaintenanceScheduleError(
      `blob ${scheduleBlob} cannot be read: ${detail}. Nothing was changed. If it is damaged, delete it: maintenance then begins a new history.`,
      { cause },
    )
  }
}

/** The schedule as JSON, tasks sorted by name. */
export function scheduleJson({ nextFullNs, nextQuickNs, runs }: MaintenanceSchedule): { readonly [key: string]: JsonValue } {
  const lists = Object.fromEntries(Object.entries(runs).map(([task, list]): [string, JsonValue] => [task, list.map(runJson)]))
  return {
    nextFullMaintenance: formatTimeNs(nextFullNs),
    nextQuickMaintenance: formatTimeNs(nextQuickNs),
    runs: Object.keys(lists).length === 0 ? null : sortedMap(lists),
  }
}

const runJson = ({ startNs, endNs, success, error, extra }: TaskRun): JsonValue => ({
  start: formatTimeNs(startNs),
  end: formatTimeNs(endNs),
  ...(success ? { success } : {}),
  ...(error === '' ? {} : { error }),
  ...(extra.length === 0 ? {} : { extra }),
})

function parseSchedule(json: JsonObject): MaintenanceSchedule {
  const runs = Object.entries(asObject(memberOf(json, 'runs'), `${what}: "runs"`)).map(([task, list]): [string, TaskRun[]] => {
    const rows: unknown = list ?? []
    if (!Array.isArray(rows)) throw new MaintenanceScheduleError(`the runs of ${task} are not a list`)
    return [task, rows.map((row) => parseRun(asObject(row, `${what}: a run`)))]
  })
  return {
    nextFullNs: timeOf(json, 'nextFullMaintenance'),
    nextQuickNs: timeOf(json, 'nextQuickMaintenance'),
    runs: Object.fromEntries(runs),
  }
}

function parseRun(row: JsonObject): TaskRun {
  const extra = memberOf(row, 'extra') ?? []
  return {
    startNs: timeOf(row, 'start'),
    endNs: timeOf(row, 'end'),
    success: booleanOf(row, 'success', what),
    error: stringOf(row, 'error', what),
    extra: Array.isArray(extra) ? (extra as JsonValue[]) : [],
  }
}

function timeOf(json: JsonObject, name: string): bigint {
  const text = stringOf(json, name, what)
  return text === '' ? unsetTimeNs : parseTimeNs(text)
}
