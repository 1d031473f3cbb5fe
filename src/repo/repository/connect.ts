import { rm, rmdir, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { systemCode, UsageError } from '#base/errors.ts'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import { type ConnectionInfo, openStorage } from '#repo/blob/registry.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { retrying } from '#repo/blob/wrap/retry.ts'
import { formatBlobId, parseFormatBlob } from '#repo/format/format-blob.ts'
import { type CachingOptions, defaultCaching, noCaching } from './caching-options.ts'
import { defaultDescription, defaultFormatBlobCacheDurationNs, defaultHostname, defaultUsername } from './client-defaults.ts'
import { NotARepositoryError } from './errors.ts'
import { defaultCacheDirectory, type LocalConfig, readLocalConfig, writeLocalConfig } from './local-config.ts'
import { type OpenSettings, openRepository } from './open.ts'
import { deletePassword, type PasswordStore } from './password-store.ts'
import type { ClientOptions, DirectRepository } from './repository.ts'

export interface ConnectOptions extends OpenSettings {
  readonly configFile: string
  readonly storageConnection: ConnectionInfo
  readonly password: string
  /** What is left out gets the defaults of spec 01, 1.21.4. */
  readonly client?: Partial<ClientOptions>
  /** What is left out gets Kopia's defaults; `maxCacheSizeBytes` 0 = no cache at all. */
  readonly caching?: Partial<CachingOptions>
  readonly permissiveCacheLoading?: boolean
  /** Default 15 minutes; negative = off for the first load. */
  readonly formatBlobCacheDurationNs?: bigint
}

/** Connects to an existing repository and checks the connection by opening it. Throws NotARepositoryError before anything is changed; when
 *  opening fails (wrong password …) no connection is left, an earlier one included. Source: spec 01, 1.21.5. */
export async function connectRepository(options: ConnectOptions): Promise<void> {
  const repository = await connectAndOpen(options)
  await repository.close()
}

/** connectRepository that hands the opened repository on, for callers that go on to use it. */
export async function connectAndOpen(options: ConnectOptions): Promise<DirectRepository> {
  const { configFile } = options
  await writeLocalConfig(configFile, await newConfig(options))
  try {
    return await openRepository(options)
  } catch (error) {
    await disconnect(configFile).catch(() => undefined)
    throw error
  }
}

async function newConfig(options: ConnectOptions): Promise<LocalConfig> {
  const { configFile, client = {} } = options
  const storage = retrying()(await openStorage(options.storageConnection, false))
  try {
    const { uniqueId } = parseFormatBlob(await formatBlobOf(storage))
    return {
      storage: storage.connection,
      caching: newCaching(options.caching ?? {}, uniqueId, configFile),
      hostname: client.hostname || defaultHostname(),
      username: client.username || defaultUsername(),
      readOnly: client.readOnly ?? false,
      permissiveCacheLoading: options.permissiveCacheLoading ?? false,
      description: client.description || defaultDescription(storage.displayName),
      enableActions: client.enableActions ?? false,
      formatBlobCacheDurationNs: options.formatBlobCacheDurationNs ?? defaultFormatBlobCacheDurationNs,
      others: {},
    }
  } finally {
    await storage.close()
  }
}

async function formatBlobOf(storage: BlobStorage): Promise<Buffer> {
  try {
    return await storage.get(formatBlobId)
  } catch (error) {
    if (error instanceof BlobNotFoundError) throw new NotARepositoryError({ cause: error })
    throw error
  }
}

function newCaching(given: Partial<CachingOptions>, uniqueId: Uint8Array, configFile: string): CachingOptions {
  const caching = { ...defaultCaching, ...given }
  if (caching.maxCacheSizeBytes === 0) return noCaching
  const cacheDirectory = caching.cacheDirectory === '' ? defaultCacheDirectory(uniqueId, configFile) : resolve(caching.cacheDirectory)
  return { ...caching, cacheDirectory }
}

// All that Kopia and Kura put into a cache folder (spec 01, 1.23). Nothing else is deleted: the folder may be one that the user chose.
const cacheEntries = [
  'CACHEDIR.TAG',
  'kopia.repository',
  'kopia.blobcfg',
  'contents',
  'metadata',
  'index-blobs',
  'indexes',
  'own-writes',
  'blob-list',
  'server-contents',
]

/** Forgets a connection: its caches, the stored password, the update check's state, the maintenance lock file, and last the configuration.
 *  Throws NotConnectedError when there is none. Source: spec 01, 1.21.5. */
export async function disconnect(configFile: string, passwordStores?: readonly PasswordStore[]): Promise<void> {
  const { caching } = await readLocalConfig(configFile)
  if (caching?.cacheDirectory) await removeCaches(caching.cacheDirectory)
  await deletePassword(configFile, passwordStores)
  for (const companion of ['.update-info.json', '.mlock']) await removeFile(configFile + companion)
  await removeFile(configFile)
}

async function removeCaches(directory: string): Promise<void> {
  for (const entry of cacheEntries) await rm(join(directory, entry), { recursive: true, force: true })
  await rmdir(directory).catch(() => undefined)
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
  })
}

/** What "repository set-client" can change. */
export interface ClientChanges {
  readonly readOnly?: boolean
  readonly description?: string
  readonly hostname?: string
  readonly username?: string
  readonly enableActions?: boolean
  readonly formatBlobCacheDurationNs?: bigint
}

/** Changes client options of an existing connection. Throws UsageError when nothing is to be changed, NotConnectedError. Source: spec 01,
 *  1.21.4. */
export async function setClient(configFile: string, changes: ClientChanges): Promise<void> {
  const wanted = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
  // Without the environment: its override of the cache folder must not end up in the file.
  const config = await readLocalConfig(configFile, {})
  if (Object.keys(wanted).length === 0) throw new UsageError('no changes')
  await writeLocalConfig(configFile, { ...config, ...wanted })
}
