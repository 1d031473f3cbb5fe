import { spawnSync } from 'node:child_process'
import { type FileHandle, open } from 'node:fs/promises'
import { KuraError, systemCode } from '#base/errors.ts'

/** The lock of a connection cannot be taken because this computer has no means to. */
export class MaintenanceLockError extends KuraError {
  readonly code = 'MAINTENANCE_LOCK'
}

export interface MaintenanceLock {
  release(): Promise<void>
}

/** Programs that lock the open file that they inherit as descriptor 3. A flock belongs to the open file, not to the process: it stays with
 *  us when they end. Node itself has no call for it. */
const lockers: readonly (readonly [program: string, ...args: string[]])[] = [
  ['flock', '-n', '3'],
  ['perl', '-e', 'open(my $f, "<&=3") or exit 2; exit(flock($f, 6) ? 0 : 1)'],
]

/** Takes the lock that keeps other programs with the same configuration file from running maintenance at the same time; undefined when one
 *  of them holds it. The file stays behind. Throws MaintenanceLockError, and the system's errors. Source: spec 07, 7.6.4 step 5. */
export async function lockMaintenance(configFile: string): Promise<MaintenanceLock | undefined> {
  const path = `${configFile}.mlock`
  const handle = await open(path, 'a', 0o600)
  try {
    if (lockDescriptor(handle, path)) return { release: () => handle.close() }
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
  return undefined
}

function lockDescriptor({ fd }: FileHandle, path: string): boolean {
  for (const [program, ...args] of lockers) {
    const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'ignore', fd] })
    if (systemCode(error) === 'ENOENT') continue
    if (error) throw error
    if (status === 0 || status === 1) return status === 0
  }
  throw new MaintenanceLockError(`cannot lock ${path}: neither flock nor perl is there to do it. Install util-linux.`)
}
