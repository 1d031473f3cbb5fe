import type { Flag, ValuesOf } from '#cli/flag.ts'
import type { ConnectOptions } from '#repo/repository/connect.ts'

/** Flags of "repository connect" and "repository create" about this client (spec 06, 11.1). */
export const connectionFlags = [
  { name: 'cache-directory', type: 'string', env: 'KOPIA_CACHE_DIRECTORY', placeholder: 'PATH' },
  { name: 'content-cache-size-mb', type: 'int64', placeholder: 'MB' },
  { name: 'content-cache-size-limit-mb', type: 'int64', placeholder: 'MB' },
  { name: 'content-min-sweep-age', type: 'duration' },
  { name: 'metadata-cache-size-mb', type: 'int64', placeholder: 'MB' },
  { name: 'metadata-cache-size-limit-mb', type: 'int64', placeholder: 'MB' },
  { name: 'metadata-min-sweep-age', type: 'duration' },
  { name: 'index-min-sweep-age', type: 'duration' },
  { name: 'max-list-cache-duration', type: 'duration' },
  { name: 'override-hostname', type: 'string', hidden: true },
  { name: 'override-username', type: 'string', hidden: true },
  { name: 'check-for-updates', type: 'bool', default: 'true', env: 'KOPIA_CHECK_FOR_UPDATES' },
  { name: 'readonly', type: 'bool' },
  { name: 'permissive-cache-loading', type: 'bool', hidden: true },
  { name: 'description', type: 'string' },
  { name: 'enable-actions', type: 'bool' },
  { name: 'repository-format-cache-duration', type: 'duration', hidden: true },
  { name: 'disable-repository-format-cache', type: 'bool', hidden: true },
] as const satisfies readonly Flag[]

export type ConnectionValues = ValuesOf<(typeof connectionFlags)[number]>

const mb = 2 ** 20

/** Client and cache settings of a new connection; what no flag gives gets the library's default. */
export function connectSettings(
  values: ConnectionValues,
): Pick<ConnectOptions, 'client' | 'caching' | 'permissiveCacheLoading' | 'formatBlobCacheDurationNs'> {
  const cacheDuration = values['disable-repository-format-cache'] ? -1n : values['repository-format-cache-duration']
  return {
    client: defined({
      hostname: values['override-hostname'],
      username: values['override-username'],
      readOnly: values.readonly,
      description: values.description,
      enableActions: values['enable-actions'],
    }),
    caching: defined({
      cacheDirectory: values['cache-directory'],
      maxCacheSizeBytes: times(values['content-cache-size-mb'], mb),
      contentCacheSizeLimitBytes: times(values['content-cache-size-limit-mb'], mb),
      maxMetadataCacheSizeBytes: times(values['metadata-cache-size-mb'], mb),
      metadataCacheSizeLimitBytes: times(values['metadata-cache-size-limit-mb'], mb),
      maxListCacheDurationSeconds: seconds(values['max-list-cache-duration']),
      minContentSweepAgeSeconds: seconds(values['content-min-sweep-age']),
      minMetadataSweepAgeSeconds: seconds(values['metadata-min-sweep-age']),
      minIndexSweepAgeSeconds: seconds(values['index-min-sweep-age']),
    }),
    permissiveCacheLoading: values['permissive-cache-loading'],
    ...(cacheDuration === undefined ? {} : { formatBlobCacheDurationNs: cacheDuration }),
  }
}

const times = (value: number | undefined, unit: number): number | undefined => (value === undefined ? undefined : value * unit)
const seconds = (ns: bigint | undefined): number | undefined => (ns === undefined ? undefined : Number(ns / 1_000_000_000n))

/** The same without members that are undefined. */
export function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
