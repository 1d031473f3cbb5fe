import { goJson, type JsonValue } from '#base/go-json.ts'
import { asObject, booleanOf, integerOf, memberOf, numberOf, stringOf } from '#base/json-read.ts'
import type { ManifestStore } from '#repo/manifest/manifest.ts'

const labels = { type: 'maintenance' } as const
const what = 'the maintenance parameters'
const hourNs = 3_600_000_000_000n

export interface CycleParameters {
  readonly enabled: boolean
  readonly intervalNs: bigint
}

/** Limits of the logs kept in the repository; 0 = no limit. */
export interface LogRetention {
  readonly maxTotalBytes: number
  readonly maxCount: number
  readonly maxAgeNs: bigint
}

/** Who maintains a repository, and how often (spec 07, 7.6.1). */
export interface MaintenanceParameters {
  /** `user@host`; '' = nobody. */
  readonly owner: string
  readonly quick: CycleParameters
  readonly full: CycleParameters
  readonly logRetention: LogRetention
  readonly extendObjectLocks: boolean
  /** 0 = our own choice. */
  readonly listParallelism: number
}

const defaultLogRetention: LogRetention = { maxTotalBytes: 1 << 30, maxCount: 10_000, maxAgeNs: 720n * hourNs }

/** What holds where nothing is stored. */
export const defaultParameters: MaintenanceParameters = {
  owner: '',
  quick: { enabled: true, intervalNs: hourNs },
  full: { enabled: true, intervalNs: 24n * hourNs },
  logRetention: defaultLogRetention,
  extendObjectLocks: false,
  listParallelism: 0,
}

/** The stored parameters; undefined when there are none. The newest manifest wins, of equally new ones the greater ID. Throws
 *  JsonShapeError, and what reading manifests throws. Source: spec 07, 7.6.1. */
export async function readParameters(manifests: ManifestStore): Promise<MaintenanceParameters | undefined> {
  const newest = (await manifests.find(labels)).at(-1)
  if (!newest) return undefined
  return parseParameters((await manifests.get(newest.id)).payload)
}

/** Replaces whatever is stored; durable after a flush. */
export async function writeParameters(manifests: ManifestStore, parameters: MaintenanceParameters): Promise<void> {
  await manifests.replace(labels, goJson(parametersJson(parameters)))
}

/** The parameters as JSON, keys in Kopia's order. */
export function parametersJson(p: MaintenanceParameters): { readonly [key: string]: JsonValue } {
  return {
    owner: p.owner,
    quick: { enabled: p.quick.enabled, interval: p.quick.intervalNs },
    full: { enabled: p.full.enabled, interval: p.full.intervalNs },
    logRetention: { maxTotalSize: p.logRetention.maxTotalBytes, maxCount: p.logRetention.maxCount, maxAge: p.logRetention.maxAgeNs },
    extendObjectLocks: p.extendObjectLocks,
    listParallelism: p.listParallelism,
  }
}

function parseParameters(payload: unknown): MaintenanceParameters {
  const json = asObject(payload, what)
  const cycle = (name: string): CycleParameters => {
    const member = asObject(memberOf(json, name), `${what}: "${name}"`)
    return { enabled: booleanOf(member, 'enabled', what), intervalNs: integerOf(member, 'interval', what) }
  }
  const logs = asObject(memberOf(json, 'logRetention'), `${what}: "logRetention"`)
  const stored: LogRetention = {
    maxTotalBytes: numberOf(logs, 'maxTotalSize', what),
    maxCount: numberOf(logs, 'maxCount', what),
    maxAgeNs: integerOf(logs, 'maxAge', what),
  }
  const isEmpty = stored.maxTotalBytes === 0 && stored.maxCount === 0 && stored.maxAgeNs === 0n
  return {
    owner: stringOf(json, 'owner', what),
    quick: cycle('quick'),
    full: cycle('full'),
    logRetention: isEmpty ? defaultLogRetention : stored,
    extendObjectLocks: booleanOf(json, 'extendObjectLocks', what),
    listParallelism: numberOf(json, 'listParallelism', what),
  }
}
