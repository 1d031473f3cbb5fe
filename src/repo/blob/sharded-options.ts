import { KuraError, UsageError } from '#base/errors.ts'
import { asObject, type JsonObject, memberOf, numberOf } from '#base/json-read.ts'
import { parseShardLengths } from './shard.ts'

/** Members that the configurations of all storages with folders share (spec 04, 4.2.1). */
export interface ShardedOptions {
  /** null = the default of the storage's age. */
  readonly dirShards: readonly number[] | null
  /** Folders read at once while listing; 0 = our own choice. */
  readonly listParallelism: number
  /** Members that other parts read (throttling) or that we do not know: kept as they are. */
  readonly others: JsonObject
}

/** Reads the `config` member of a ConnectionInfo: the shared members here, the rest by `own`, whose names are in `names`. `what` names the
 *  configuration in errors. Throws UsageError. */
export function parseSharded<T>(
  json: unknown,
  what: string,
  names: readonly string[],
  own: (config: JsonObject, what: string) => T,
): T & ShardedOptions {
  const known = new Set([...names, 'dirShards', 'listParallelism'].map((name) => name.toLowerCase()))
  try {
    const config = asObject(json, what)
    const dirShards = memberOf(config, 'dirShards') ?? null
    return {
      ...own(config, what),
      dirShards: dirShards === null ? null : parseShardLengths(dirShards, `${what}: "dirShards"`),
      listParallelism: numberOf(config, 'listParallelism', what),
      others: Object.fromEntries(Object.entries(config).filter(([key]) => !known.has(key.toLowerCase()))),
    }
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof KuraError)) throw error
    throw new UsageError(error.message, { cause: error })
  }
}

/** The shared members as JSON. */
export const formatSharded = (o: ShardedOptions): JsonObject => ({
  dirShards: o.dirShards,
  ...(o.listParallelism ? { listParallelism: o.listParallelism } : {}),
  ...o.others,
})
