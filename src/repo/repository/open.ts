import { setTimeout as sleepFor } from 'node:timers/promises'
import { type Clock, systemClock } from '#base/clock.ts'
import { CancelledError, UsageError } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'
import { openStorage } from '#repo/blob/registry.ts'
import type { BlobStorage, BlobWrapper } from '#repo/blob/storage.ts'
import { guarded } from '#repo/blob/wrap/guard.ts'
import { logged, type StorageCall } from '#repo/blob/wrap/log.ts'
import { metered, processMetrics, type StorageMetrics } from '#repo/blob/wrap/metrics.ts'
import { readOnly } from '#repo/blob/wrap/read-only.ts'
import { retained } from '#repo/blob/wrap/retention.ts'
import { retrying } from '#repo/blob/wrap/retry.ts'
import { Throttle, throttled } from '#repo/blob/wrap/throttle.ts'
import { UpgradeInProgressError } from '#repo/format/errors.ts'
import type { CachingOptions } from './caching-options.ts'
import { clientOptionsOf } from './client-defaults.ts'
import { ContentLog, type ContentLogOptions } from './content-log.ts'
import { LocalConfigError } from './errors.ts'
import { FormatBlobCache, formatAges } from './format-blob-cache.ts'
import { FormatWatch, type KeyDerivation } from './format-watch.ts'
import { followingLimits, throttlingOf } from './limits-watch.ts'
import { type LocalConfig, readLocalConfig } from './local-config.ts'
import type { ClientOptions, DirectRepository } from './repository.ts'

/** What holds for every way of opening. */
export interface OpenSettings {
  readonly clock?: Clock
  readonly warn?: (message: string) => void
  /** Whose upgrade lock does not keep us out. */
  readonly upgradeOwnerId?: string | undefined
  /** Fail at once when an upgrade is in progress, instead of waiting for its end. */
  readonly noBlockOnUpgrade?: boolean | undefined
  /** Open also a repository that says it needs what we do not have. */
  readonly ignoreMissingFeatures?: boolean | undefined
  /** Stops the wait for the end of an upgrade. */
  readonly signal?: AbortSignal | undefined
  /** Replaces the password key derivation: with one that remembers, to open twice at the price of once; with a fast one in tests. */
  readonly deriveKey?: KeyDerivation
  /** Called when the key begins to be derived, which runs beside the main thread and is the longest part of opening. */
  readonly onKeyDerivation?: (() => void) | undefined
  /** Put around the storage, innermost first, below retention and the upgrade check (throttling, metrics, logging). */
  readonly wrappers?: readonly BlobWrapper[]
  /** Counts what is done with the storage; absent = that of the process. */
  readonly metrics?: StorageMetrics
  /** Hears of every call on the storage once it has ended (spec 04, 4.6). */
  readonly onStorageCall?: (call: StorageCall) => void
  /** Log of what is done with the storage; absent = none. */
  readonly contentLog?: ContentLogOptions | undefined
  /** False: indexes stay as they are until refresh() (maintenance, verification). */
  readonly autoRefresh?: boolean
}

export interface OpenOptions extends OpenSettings {
  readonly configFile: string
  readonly password: string
  /** Read for KOPIA_CACHE_DIRECTORY; absent = that of the process. Who opens a second repository must not let it share the cache. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Opens the repository of a configuration file. Throws NotConnectedError, LocalConfigError, WrongPasswordError, NotARepositoryError,
 *  UpgradeInProgressError, and the errors of storage and format. Source: spec 01, 1.12. */
export async function openRepository(options: OpenOptions): Promise<DirectRepository> {
  const { configFile, password } = options
  const config = await readLocalConfig(configFile, options.env)
  if (!config.storage)
    throw new LocalConfigError(`the connection ${configFile} is to a repository server; this command needs the storage itself`)
  const permissive = permissiveAllowed(config)
  // Limits of the connection replace those in the storage's own configuration (spec 04, 4.5).
  const throttle = new Throttle(throttlingOf(config))
  const storage = await openStorage(config.storage, false)
  return openRepositoryDirectly(storage, password, {
    ...options,
    wrappers: [...(options.wrappers ?? []), throttled(throttle), followingLimits(throttle, configFile, options.env)],
    client: clientOptionsOf(config, storage.displayName),
    caching: config.caching,
    permissive,
    formatBlobCacheDurationNs: config.formatBlobCacheDurationNs,
  })
}

function permissiveAllowed(config: LocalConfig): boolean {
  if (config.permissiveCacheLoading && !(config.readOnly && process.env['KOPIA_UPGRADE_LOCK_ENABLED']))
    throw new UsageError('permissive cache loading needs a read-only connection and KOPIA_UPGRADE_LOCK_ENABLED in the environment')
  return config.permissiveCacheLoading
}

export interface DirectOptions extends OpenSettings {
  readonly configFile?: string
  readonly client?: Partial<ClientOptions>
  readonly caching?: CachingOptions | undefined
  readonly permissive?: boolean
  readonly formatBlobCacheDurationNs?: bigint
}

/** Opens the repository in a storage without a configuration file. Takes over the storage: it is closed with the repository, or when opening
 *  fails. Errors as for openRepository. */
export async function openRepositoryDirectly(
  storage: BlobStorage,
  password: string,
  options: DirectOptions = {},
): Promise<DirectRepository> {
  try {
    return await open(storage, password, options)
  } catch (error) {
    await storage.close().catch(() => undefined)
    throw error
  }
}

async function open(bare: BlobStorage, password: string, options: DirectOptions): Promise<DirectRepository> {
  const { clock = systemClock, warn = () => undefined, permissive = false, upgradeOwnerId } = options
  const client = completeClient(options.client ?? {}, bare)
  const cacheDirectory = options.caching?.cacheDirectory || undefined
  const below = metered(options.metrics ?? processMetrics)(client.readOnly ? readOnly(retrying()(bare)) : retrying()(bare))
  let composing: Promise<typeof import('./compose.ts')> | undefined
  // The central blobs are read below throttling, retention and the upgrade check (spec 04, 4.6).
  const formats = await FormatWatch.open(
    {
      cache: new FormatBlobCache(below, cacheDirectory, clock, warn),
      clock,
      ages: formatAges(options.formatBlobCacheDurationNs ?? 0n),
      warn,
      upgradeOwnerId,
      permissive,
      ignoreMissingFeatures: options.ignoreMissingFeatures,
      deriveKey: options.deriveKey,
      onKeyDerivation: () => {
        options.onKeyDerivation?.()
        // Meanwhile the layers above are loaded.
        composing = import('./compose.ts')
        composing.catch(() => undefined)
        nativeAddon()
      },
    },
    password,
  )
  formats.checkFeatures()
  if (formats.locked) await waitForUpgrade(formats, options)
  const contentLog =
    options.contentLog && new ContentLog({ ...options.contentLog, ...(client.readOnly ? { keepsInRepository: false } : {}) }, clock)
  return (await (composing ?? import('./compose.ts'))).compose({
    options,
    formats,
    client,
    blobs: stack(below, formats, options, contentLog),
    contentLog,
    cacheDirectory,
  })
}

function stack(below: BlobStorage, formats: FormatWatch, options: DirectOptions, contentLog: ContentLog | undefined): BlobStorage {
  const retention = retained(() => {
    const { mode, periodNs } = formats.retention
    return mode !== '' && periodNs > 0n ? { mode, periodNs } : undefined
  })
  const guard = options.permissive ? [] : [guarded(() => formats.check())]
  const log = options.onStorageCall ? [logged(options.onStorageCall)] : []
  if (contentLog) log.push(logged((call) => contentLog.note(call)))
  const wrappers = [...(options.wrappers ?? []), retention, ...guard, ...log]
  return wrappers.reduce((inner, wrap) => wrap(inner), below)
}

const firstWaitMs = 100
const maxWaitMs = 32_000

/** Reads the format again and again, ever more slowly, until the upgrade lock is gone (spec 01, 1.14). */
async function waitForUpgrade(formats: FormatWatch, { noBlockOnUpgrade, signal, warn }: DirectOptions): Promise<void> {
  if (noBlockOnUpgrade) throw new UpgradeInProgressError()
  warn?.('repository upgrade in progress: waiting for it to end')
  for (let waitMs = firstWaitMs; formats.locked; waitMs = Math.min(waitMs * 1.5, maxWaitMs)) {
    await sleepFor(waitMs, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      throw new CancelledError('stopped while waiting for the repository upgrade to end', { cause: error })
    })
    await formats.reload()
  }
}

const completeClient = (given: Partial<ClientOptions>, storage: BlobStorage): ClientOptions =>
  clientOptionsOf(
    {
      hostname: given.hostname ?? '',
      username: given.username ?? '',
      readOnly: given.readOnly ?? false,
      description: given.description ?? '',
      enableActions: given.enableActions ?? false,
    },
    storage.displayName,
  )
