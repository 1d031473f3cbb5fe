import { UsageError } from '#base/errors.ts'
import type { JsonObject } from '#base/json-read.ts'
import type { CommandContext } from '#cli/context.ts'
import type { Flag, ValuesOf } from '#cli/flag.ts'
import type { ConnectionInfo } from '#repo/blob/registry.ts'

/** The command that a storage is named for; a few flags mean nothing for some. */
export type StorageUse = 'create' | 'connect' | 'repair' | 'sync-to'

/** What a storage may need besides its own flags. */
export interface StorageRequest {
  readonly use: StorageUse
  readonly context: CommandContext
  /** `--format-version` of "repository create"; 0 = not given. */
  readonly formatVersion: number
}

/** One kind of storage on the command line: its flags, and how they become a ConnectionInfo. */
export interface StorageProvider {
  readonly flags: readonly Flag[]
  /** Checks the flags and makes the connection from them; opens nothing. Throws UsageError. */
  connectionFrom(values: Readonly<Record<string, unknown>>, request: StorageRequest): Promise<ConnectionInfo>
}

/** Flags that every storage has (spec 04, 4.3). */
const speedFlags = [
  { name: 'max-download-speed', type: 'float', placeholder: 'BYTES_PER_SEC', describe: 'Limit of the download speed' },
  { name: 'max-upload-speed', type: 'float', placeholder: 'BYTES_PER_SEC', describe: 'Limit of the upload speed' },
] as const satisfies readonly Flag[]

/** Ties the value types to the table of flags, and adds the speed limits, whose members end every configuration. */
export function defineStorage<const F extends readonly Flag[]>(definition: {
  readonly type: string
  readonly flags: F
  readonly config: (values: ValuesOf<F[number]>, request: StorageRequest) => Promise<JsonObject>
}): StorageProvider {
  return {
    flags: [...definition.flags, ...speedFlags],
    async connectionFrom(values, request) {
      const config = await definition.config(values as ValuesOf<F[number]>, request)
      return { type: definition.type, config: { ...config, ...speeds(values as ValuesOf<(typeof speedFlags)[number]>) } }
    },
  }
}

function speeds(values: ValuesOf<(typeof speedFlags)[number]>): JsonObject {
  const down = values['max-download-speed']
  const up = values['max-upload-speed']
  if ((down ?? 0) < 0 || (up ?? 0) < 0) throw new UsageError('--max-download-speed and --max-upload-speed cannot be negative')
  return { ...(up ? { maxUploadSpeedBytesPerSecond: up } : {}), ...(down ? { maxDownloadSpeedBytesPerSecond: down } : {}) }
}

/** The same object without members that are empty, zero, false or undefined ("omit" in the tables of spec 04). */
export function withoutEmpty(config: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => value !== undefined && value !== '' && value !== 0 && value !== false),
  )
}

export const prefixFlag = { name: 'prefix', type: 'string', describe: 'Put before the name of every blob' } as const satisfies Flag

export const pointInTimeFlag = {
  name: 'point-in-time',
  type: 'string',
  placeholder: '2006-01-02T15:04:05Z07:00',
  describe: 'Show the storage as it was then, read-only (needs a bucket with versions)',
} as const satisfies Flag

/** `--point-in-time` as the configuration keeps it, or undefined. Throws UsageError: not RFC 3339, or with create or sync-to. */
export function pointInTimeOf(text: string | undefined, use: StorageUse): string | undefined {
  if (!text) return undefined
  if (use === 'create') throw new UsageError('--point-in-time is for connecting: a repository cannot be created in the past')
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(text) || Number.isNaN(Date.parse(text)))
    throw new UsageError(`--point-in-time needs a time like 2026-01-31T12:00:00Z, not "${text}"`)
  return text
}
