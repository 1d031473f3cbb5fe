import type { Flag, ValuesOf } from '#cli/flag.ts'
import type { ShardedOptions } from '#repo/blob/sharded-options.ts'
import type { StorageRequest } from './provider.ts'

/** Flags of storages that keep blobs as files in folders (spec 04, 4.2.1). */
export const shardedFlags = [
  { name: 'flat', type: 'bool' },
  { name: 'list-parallelism', type: 'int', hidden: true },
] as const satisfies readonly Flag[]

/** How blobs are spread over folders, from the flags. */
export const shardedConfig = (values: ValuesOf<(typeof shardedFlags)[number]>, { formatVersion }: StorageRequest): ShardedOptions => ({
  dirShards: values.flat ? [] : formatVersion === 1 ? [3, 3] : null,
  listParallelism: values['list-parallelism'] ?? 0,
  others: {},
})
