import { UsageError } from '#base/errors.ts'
import { booleanOf, type JsonObject, JsonShapeError, memberOf, stringOf } from '#base/json-read.ts'
import { formatSharded, parseSharded, type ShardedOptions } from '../sharded-options.ts'

/** `config` of an `rclone` ConnectionInfo (spec 04, 4.3.9). Empty strings and lists = not given. */
export interface RcloneOptions extends ShardedOptions {
  readonly remotePath: string
  readonly rcloneExe: string
  readonly rcloneArgs: readonly string[]
  /** `NAME=value`; when there are any, they are the whole environment of the child. */
  readonly rcloneEnv: readonly string[]
  readonly startupTimeoutMs: number
  readonly debug: boolean
  readonly noWaitForTransfers: boolean
  /** Text of an rclone.conf. Secret. */
  readonly embeddedConfig: string
  readonly atomicWrites: boolean
}

export const defaultStartupMs = 15_000
const names = ['remotePath', 'rcloneExe', 'rcloneArgs', 'rcloneEnv', 'startupTimeout', 'debug', 'noWaitForTransfers', 'embeddedConfig']

/** Checks the `config` member of a ConnectionInfo. Throws UsageError. */
export function parseRcloneOptions(json: unknown): RcloneOptions {
  const options = parseSharded(json, 'the rclone storage configuration', [...names, 'atomicWrites'], (config, what) => ({
    remotePath: stringOf(config, 'remotePath', what),
    rcloneExe: stringOf(config, 'rcloneExe', what),
    rcloneArgs: stringsOf(config, 'rcloneArgs', what),
    rcloneEnv: stringsOf(config, 'rcloneEnv', what),
    startupTimeoutMs: durationMs(stringOf(config, 'startupTimeout', what), what) || defaultStartupMs,
    debug: booleanOf(config, 'debug', what),
    noWaitForTransfers: booleanOf(config, 'noWaitForTransfers', what),
    embeddedConfig: stringOf(config, 'embeddedConfig', what),
    atomicWrites: booleanOf(config, 'atomicWrites', what),
  }))
  if (options.remotePath === '') throw new UsageError('an rclone storage needs a "remotePath"')
  return options
}

/** The same options as JSON, keys in Kopia's order. */
export const formatRcloneOptions = (o: RcloneOptions): JsonObject => ({
  remotePath: o.remotePath,
  ...(o.rcloneExe === '' ? {} : { rcloneExe: o.rcloneExe }),
  ...(o.rcloneArgs.length === 0 ? {} : { rcloneArgs: o.rcloneArgs }),
  ...(o.rcloneEnv.length === 0 ? {} : { rcloneEnv: o.rcloneEnv }),
  startupTimeout: `${o.startupTimeoutMs / 1000}s`,
  ...(o.debug ? { debug: true } : {}),
  ...(o.noWaitForTransfers ? { noWaitForTransfers: true } : {}),
  ...(o.embeddedConfig === '' ? {} : { embeddedConfig: o.embeddedConfig }),
  atomicWrites: o.atomicWrites,
  ...formatSharded(o),
})

function stringsOf(config: JsonObject, name: string, what: string): readonly string[] {
  const value = memberOf(config, name) ?? []
  if (!Array.isArray(value) || !value.every((v): v is string => typeof v === 'string'))
    throw new JsonShapeError(`${what}: "${name}" must be a list of strings`)
  return value
}

const unitsMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds of Go's text of a duration, or of bare nanoseconds (spec 04, 4.1.6). */
function durationMs(given: string, what: string): number {
  const text = given.trim().replaceAll('_', '')
  if (/^\d*$/.test(text)) return Number(text) / 1e6
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/gy)]
  if (parts.reduce((length, part) => length + part[0].length, 0) !== text.length)
    throw new JsonShapeError(`${what}: "startupTimeout" must be a duration like "15s"`)
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (unitsMs[unit as string] as number), 0)
}
