import { homedir } from 'node:os'
import { basename, join } from 'node:path'

/** What the places of files depend on; passed in so that every system can be tested on one. */
export interface Surroundings {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
}

export const surroundings = (): Surroundings => ({ platform: process.platform, env: process.env, home: homedir() })

/** Folder of configuration files (spec 01, 1.21.1). */
export function configDirectory({ platform, env, home }: Surroundings = surroundings()): string {
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'kopia')
  if (platform === 'win32') return join(env['APPDATA'] ?? join(home, 'AppData', 'Roaming'), 'kopia')
  const xdg = platform === 'openbsd' ? undefined : env['XDG_CONFIG_HOME']
  return join(xdg || join(home, '.config'), 'kopia')
}

/** Folder of this user's caches, of all programs (spec 01, 1.21.3). */
export function userCacheDirectory({ platform, env, home }: Surroundings = surroundings()): string {
  if (platform === 'darwin') return join(home, 'Library', 'Caches')
  if (platform === 'win32') return env['LocalAppData'] ?? env['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local')
  return env['XDG_CACHE_HOME'] || join(home, '.cache')
}

/** Folder of log files (spec 06, 5.3). */
export function logDirectory({ platform, env, home }: Surroundings = surroundings()): string {
  if (platform === 'darwin') return join(home, 'Library', 'Logs', 'kopia')
  return join(userCacheDirectory({ platform, env, home }), 'kopia')
}

/** Path of a configuration file: a bare name lies in the configuration folder, anything with a folder in it is used as it is. */
export function configFilePath(name: string, around: Surroundings = surroundings()): string {
  const bare = name !== '' && name !== '.' && name !== '..' && basename(name) === name
  return bare ? join(configDirectory(around), name) : name
}

/** The path with a leading `~` or `~/` replaced by the home folder. */
export function expandHome(path: string, home: string = homedir()): string {
  if (path === '~') return home
  return /^~[/\\]/.test(path) ? join(home, path.slice(2)) : path
}
