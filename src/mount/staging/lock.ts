import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { KuraError, systemCode } from '#base/errors.ts'

/** The spool is in use, or belongs to something else. */
export class StagingError extends KuraError {
  readonly code = 'STAGING'
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

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

/** Takes the lock of a spool folder; a lock of a process that is gone is taken over. Returns what releases it. StagingError when another
 *  process has it. */
export function lockStaging(directory: string): () => void {
  const path = join(directory, 'lock')
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const fd = openSync(path, 'wx', 0o600)
      writeSync(fd, JSON.stringify({ pid: process.pid, bootId: bootId(), machineId: machineId() }))
      closeSync(fd)
      return () => unlinkSync(path)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
    const text = readText(path)
    let holder: { pid?: number; bootId?: string; machineId?: string } = {}
    try {
      holder = JSON.parse(text) as typeof holder
    } catch {
      // a lock that was being written when its process died
    }
    if (holder.machineId !== undefined && holder.machineId !== machineId())
      throw new StagingError(`the staging area ${directory} is locked by another machine; end the mount there`)
    if (holder.pid !== undefined && holder.bootId === bootId() && isAlive(holder.pid))
      throw new StagingError(`the staging area ${directory} is in use by process ${holder.pid}; two mounts of one source are not possible`)
    unlinkSync(path)
  }
  throw new StagingError(`the lock of the staging area ${directory} could not be taken; try again`)
}
