import { isAbsolute } from 'node:path'
import { KuraError, UsageError } from '#base/errors.ts'
import { asObject, type JsonObject, memberOf, numberOf, stringOf } from '#base/json-read.ts'
import { parseShardLengths } from './shard.ts'

/** `config` of a `filesystem` ConnectionInfo (spec 04, 4.3.1). */
export interface FilesystemOptions {
  /** Absolute. */
  readonly path: string
  /** 0 = 0600. */
  readonly fileMode: number
  /** 0 = 0700. */
  readonly dirMode: number
  /** Both are given, or nothing is changed. */
  readonly uid: number | undefined
  readonly gid: number | undefined
  /** null = the default of the storage's age (spec 04, 4.2.1). */
  readonly dirShards: readonly number[] | null
  /** Folders read at once while listing; 0 = our own choice. */
  readonly listParallelism: number
  /** Members that other parts read (throttling) or that we do not know: kept as they are. */
  readonly others: JsonObject
}

const ownKeys = new Set(['path', 'filemode', 'dirmode', 'uid', 'gid', 'dirshards', 'listparallelism'])

/** Options with defaults filled in, for code that has a path and little else. */
export function filesystemOptions(path: string, given: Partial<FilesystemOptions> = {}): FilesystemOptions {
  const none = { fileMode: 0, dirMode: 0, uid: undefined, gid: undefined, dirShards: null, listParallelism: 0, others: {} }
  return { ...none, ...given, path }
}

/** Checks the `config` member of a ConnectionInfo. Throws UsageError. */
export function parseFilesystemOptions(json: unknown): FilesystemOptions {
  const what = 'the filesystem storage configuration'
  try {
    const config = asObject(json, what)
    const path = stringOf(config, 'path', what)
    if (!isAbsolute(path)) throw new UsageError(`the path "${path}" of a filesystem storage must be absolute`)
    const dirShards = memberOf(config, 'dirShards') ?? null
    const id = (name: string): number | undefined => ((memberOf(config, name) ?? null) === null ? undefined : numberOf(config, name, what))
    return {
      path,
      fileMode: numberOf(config, 'fileMode', what),
      dirMode: numberOf(config, 'dirMode', what),
      uid: id('uid'),
      gid: id('gid'),
      dirShards: dirShards === null ? null : parseShardLengths(dirShards, `${what}: "dirShards"`),
      listParallelism: numberOf(config, 'listParallelism', what),
      others: Object.fromEntries(Object.entries(config).filter(([key]) => !ownKeys.has(key.toLowerCase()))),
    }
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof KuraError)) throw error
    throw new UsageError(error.message, { cause: error })
  }
}

/** The same options as JSON, keys in Kopia's order. */
export function formatFilesystemOptions(o: FilesystemOptions): JsonObject {
  return {
    path: o.path,
    ...(o.fileMode ? { fileMode: o.fileMode } : {}),
    ...(o.dirMode ? { dirMode: o.dirMode } : {}),
    ...(o.uid === undefined ? {} : { uid: o.uid }),
    ...(o.gid === undefined ? {} : { gid: o.gid }),
    dirShards: o.dirShards,
    ...(o.listParallelism ? { listParallelism: o.listParallelism } : {}),
    ...o.others,
  }
}
