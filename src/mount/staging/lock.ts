import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { KuraError, systemCode } from '#base/errors.ts'

/** The spool is in use, or belongs to something else. */
export class StagingError extends KuraError {
  readonly code = 'STAGING'
}

interface Holder {
  readonly pid?: number
  /** Start of the process in clock ticks since the machine started: another process may have got the number since. */
  readonly started?: string
  readonly bootId?: string
  readonly machineId?: string
}

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

export const bootId = (): string => readText('/proc/sys/kernel/random/boot_id')
export const machineId = (): string => readText('/etc/machine-id') || hostname()
/** Field 22 of /proc/PID/stat (proc(5)); behind the name, which may hold spaces and brackets. */
const startOf = (pid: number): string => readText(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[19] ?? ''

function isAlive({ pid, started }: Holder): boolean {
  if (pid === undefined) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (systemCode(error) !== 'EPERM') return false
  }
  const now = startOf(pid)
  return started === undefined || now === '' || now === started
}

/** Takes the lock of a spool folder; a lock of a process that is gone is taken over. Returns what releases it. StagingError when another
 *  process has it. */
export function lockStaging(directory: string): () => void {
  const path = join(directory, 'lock')
  const own = `${path}.${process.pid}`
  writeFileSync(own, JSON.stringify({ pid: process.pid, started: startOf(process.pid), bootId: bootId(), machineId: machineId() }), {
    mode: 0o600,
  })
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        linkSync(own, path) // whole or not at all
        return () => unlinkSync(path)
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error
      }
      const text = readText(path)
      refuseIfHeld(text, directory)
      takeAway(path, text)
    }
  } finally {
    unlinkSync(own)
  }
  throw new StagingError(`the lock of the staging area ${directory} could not be taken; try again`)
}

function refuseIfHeld(text: string, directory: string): void {
  let holder: Holder = {}
  try {
    holder = JSON.parse(text) as Holder
  } catch {
    // not one of ours, or cut off by a crash of the machine
  }
  if (holder.machineId !== undefined && holder.machineId !== machineId())
    throw new StagingError(`the staging area ${directory} is locked by another machine; end the mount there`)
  if (holder.bootId === bootId() && isAlive(holder))
    throw new StagingError(`the staging area ${directory} is in use by process ${holder.pid}; two mounts of one source are not possible`)
}

/** Removes a stale lock, unless somebody else has put a new one in its place meanwhile. */
function takeAway(path: string, stale: string): void {
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw error
  }
  if (readText(aside) !== stale) linkSync(aside, path)
  unlinkSync(aside)
}
