import { hostname, userInfo } from 'node:os'
import type { ClientOptions } from './repository.ts'

/** Host name as Kopia writes it: up to the first dot, lower case; `nohost` when unknown (spec 01, 1.21.4). */
export function defaultHostname(name: string = hostname()): string {
  return (name.split('.', 1)[0] as string).toLowerCase() || 'nohost'
}

/** User name as Kopia writes it: on Windows without its domain; `nobody` when unknown (spec 01, 1.21.4). */
export function defaultUsername(name: string | undefined = systemUserName(), platform: NodeJS.Platform = process.platform): string {
  const at = platform === 'win32' ? (name?.indexOf('\\') ?? -1) : -1
  return name?.slice(at + 1) || 'nobody'
}

function systemUserName(): string | undefined {
  try {
    return userInfo().username
  } catch {
    return process.env['USER'] // no entry in the user database: common in containers
  }
}

export const defaultDescription = (storageDisplayName: string): string => `Repository in ${storageDisplayName}`

export const defaultFormatBlobCacheDurationNs = 900_000_000_000n

/** Client options of a configuration, missing values filled in (spec 01, 1.21.4). */
export function clientOptionsOf(config: ClientOptions, storageDisplayName: string): ClientOptions {
  return {
    hostname: config.hostname || defaultHostname(),
    username: config.username || defaultUsername(),
    readOnly: config.readOnly,
    description: config.description || defaultDescription(storageDisplayName),
    enableActions: config.enableActions,
  }
}
