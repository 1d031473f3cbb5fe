import { createHash } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { writeDurably } from '#base/durable.ts'
import { messageOf, systemCode } from '#base/errors.ts'
import { goJsonIndented, type JsonValue } from '#base/go-json.ts'
import { asObject, booleanOf, integerOf, type JsonObject, memberOf, parseFirstJson, stringOf } from '#base/json-read.ts'
import { userCacheDirectory } from '#base/paths.ts'
import type { ConnectionInfo } from '#repo/blob/registry.ts'
import { type CachingOptions, formatCaching, parseCaching } from './caching-options.ts'
import { LocalConfigError, NotConnectedError } from './errors.ts'

/** Connection to a repository server. */
export interface ApiServerInfo {
  readonly url: string
  readonly serverCertFingerprint: string
  /** '' = `scrypt-65536-8-1`. */
  readonly localCacheKeyDerivationAlgorithm: string
}

/** The configuration file (spec 01, 1.21.2), typed. */
export interface LocalConfig {
  readonly apiServer?: ApiServerInfo
  readonly storage?: ConnectionInfo
  readonly caching?: CachingOptions
  readonly hostname: string
  readonly username: string
  readonly readOnly: boolean
  readonly permissiveCacheLoading: boolean
  readonly description: string
  readonly enableActions: boolean
  /** 0 = 15 minutes; negative = not for the first load (spec 01, 1.12). */
  readonly formatBlobCacheDurationNs: bigint
  readonly throttlingLimits?: JsonObject
  /** Members that we do not know: written back as they are. */
  readonly others: JsonObject
}

const ownKeys = new Set(
  [
    'apiServer',
    'storage',
    'caching',
    'hostname',
    'username',
    'readonly',
    'permissiveCacheLoading',
    'description',
    'enableActions',
    'formatBlobCacheDuration',
    'throttlingLimits',
  ].map((key) => key.toLowerCase()),
)

/** Reads the configuration file. Throws NotConnectedError when there is none, LocalConfigError when it cannot be used. The cache folder
 *  comes back absolute; `KOPIA_CACHE_DIRECTORY`, when absolute, replaces it. Source: spec 01, 1.21. */
export async function readLocalConfig(
  configFile: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<LocalConfig> {
  let text: string
  try {
    text = await readFile(configFile, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw new NotConnectedError(configFile, { cause: error })
    throw new LocalConfigError(`cannot read the configuration file ${configFile}: ${messageOf(error)}`, { cause: error })
  }
  try {
    return parseLocalConfig(text, configFile, env)
  } catch (error) {
    throw new LocalConfigError(`the configuration file ${configFile} is damaged: ${messageOf(error)}. Connect again.`, { cause: error })
  }
}

function parseLocalConfig(text: string, configFile: string, env: Readonly<Record<string, string | undefined>>): LocalConfig {
  const what = 'the configuration'
  const json = asObject(parseFirstJson(text), what)
  const present = (name: string): JsonObject | undefined => {
    const value = memberOf(json, name) ?? undefined
    return value === undefined ? undefined : asObject(value, `"${name}"`)
  }
  const server = present('apiServer')
  const storage = present('storage')
  const caching = present('caching')
  const limits = present('throttlingLimits')
  return {
    ...(server ? { apiServer: parseApiServer(server) } : {}),
    ...(storage ? { storage: { type: stringOf(storage, 'type', '"storage"'), config: memberOf(storage, 'config') } } : {}),
    ...(caching ? { caching: withCacheDirectory(parseCaching(caching), configFile, env) } : {}),
    hostname: stringOf(json, 'hostname', what),
    username: stringOf(json, 'username', what),
    readOnly: booleanOf(json, 'readonly', what),
    permissiveCacheLoading: booleanOf(json, 'permissiveCacheLoading', what),
    description: stringOf(json, 'description', what),
    enableActions: booleanOf(json, 'enableActions', what),
    formatBlobCacheDurationNs: integerOf(json, 'formatBlobCacheDuration', what),
    ...(limits ? { throttlingLimits: limits } : {}),
    others: Object.fromEntries(Object.entries(json).filter(([key]) => !ownKeys.has(key.toLowerCase()))),
  }
}

function parseApiServer(json: JsonObject): ApiServerInfo {
  const what = '"apiServer"'
  return {
    url: stringOf(json, 'url', what),
    serverCertFingerprint: stringOf(json, 'serverCertFingerprint', what),
    localCacheKeyDerivationAlgorithm: stringOf(json, 'localCacheKeyDerivationAlgorithm', what),
  }
}

function withCacheDirectory(
  caching: CachingOptions,
  configFile: string,
  env: Readonly<Record<string, string | undefined>>,
): CachingOptions {
  const override = env['KOPIA_CACHE_DIRECTORY']
  if (override && isAbsolute(override)) return { ...caching, cacheDirectory: override }
  const { cacheDirectory } = caching
  if (cacheDirectory === '' || isAbsolute(cacheDirectory)) return caching
  return { ...caching, cacheDirectory: join(resolve(dirname(configFile)), cacheDirectory) }
}

/** Writes the configuration file atomically and durably, with Kopia's keys in Kopia's order; the mode of an existing file is kept. The
 *  cache folder is written relative to the file where possible. Throws LocalConfigError. */
export async function writeLocalConfig(configFile: string, config: LocalConfig): Promise<void> {
  try {
    await mkdir(dirname(configFile), { recursive: true, mode: 0o700 })
    const mode = await stat(configFile).then(
      (info) => info.mode & 0o777,
      () => 0o600,
    )
    await writeDurably(configFile, [Buffer.from(formatLocalConfig(config, configFile))], { mode })
  } catch (error) {
    throw new LocalConfigError(`cannot write the configuration file ${configFile}: ${messageOf(error)}`, { cause: error })
  }
}

/** Text of a configuration file that lies at `configFile`. */
export function formatLocalConfig(config: LocalConfig, configFile: string): string {
  const { apiServer, storage, caching } = config
  return goJsonIndented({
    apiServer: apiServer && {
      url: apiServer.url,
      serverCertFingerprint: apiServer.serverCertFingerprint,
      localCacheKeyDerivationAlgorithm: apiServer.localCacheKeyDerivationAlgorithm || undefined,
    },
    storage: storage && { type: storage.type, config: storage.config as JsonValue },
    caching: caching && formatCaching({ ...caching, cacheDirectory: relativeTo(configFile, caching.cacheDirectory) }),
    hostname: config.hostname,
    username: config.username,
    readonly: config.readOnly || undefined,
    permissiveCacheLoading: config.permissiveCacheLoading || undefined,
    description: config.description || undefined,
    enableActions: config.enableActions,
    formatBlobCacheDuration: config.formatBlobCacheDurationNs || undefined,
    throttlingLimits: config.throttlingLimits as JsonValue | undefined,
    ...(config.others as Record<string, JsonValue>),
  })
}

const relativeTo = (configFile: string, cacheDirectory: string): string =>
  isAbsolute(cacheDirectory) ? relative(resolve(dirname(configFile)), cacheDirectory) : cacheDirectory

/** Default cache folder, absolute. `identity` is the repository's unique ID, or the bytes of a server's URL; `configFile` as it was given
 *  to connect. Source: spec 01, 1.21.3. */
export function defaultCacheDirectory(identity: Uint8Array, configFile: string, userCaches: string = userCacheDirectory()): string {
  const id = createHash('sha256').update(identity).update(configFile).digest('hex').slice(0, 16)
  return join(userCaches, 'kopia', id)
}
