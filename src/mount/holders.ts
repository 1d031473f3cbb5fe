import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** A process that has files or its current folder in a mount. */
export interface Holder {
  readonly pid: number
  readonly name: string
}

const procFolder = '/proc'

/** Processes that keep a mount busy, as far as this user may see them (proc(5)). Asks the file system in the mount for nothing. */
export function holdersOf(mountPoint: string, proc = procFolder): Holder[] {
  const mountId = mountIdOf(mountPoint, join(proc, 'self/mountinfo'))
  return namesIn(proc)
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => isHolding(join(proc, pid), mountPoint, mountId))
    .map((pid) => ({ pid: Number(pid), name: nameOf(join(proc, pid)) }))
}

/** ` It is held by bash (12), vim (34).`, or nothing when nobody is known. */
export function holdersText(holders: readonly Holder[]): string {
  const shown = holders.slice(0, 5).map(({ pid, name }) => `${name} (${pid})`)
  if (holders.length > shown.length) shown.push(`${holders.length - shown.length} more`)
  return shown.length === 0 ? '' : ` It is held by ${shown.join(', ')}.`
}

function isHolding(folder: string, mountPoint: string, mountId: string | undefined): boolean {
  const isIn = (link: string): boolean => {
    try {
      return `${readlinkSync(link)}/`.startsWith(`${mountPoint}/`)
    } catch {
      return false // it has ended, or belongs to somebody else
    }
  }
  if (isIn(join(folder, 'cwd')) || isIn(join(folder, 'root'))) return true
  return namesIn(join(folder, 'fd')).some((fd) => isIn(join(folder, 'fd', fd)) && isOnMount(join(folder, 'fdinfo', fd), mountId))
}

/** The process of the mount itself has the folder below it open, which has the same path. */
function isOnMount(info: string, mountId: string | undefined): boolean {
  const found = /^mnt_id:\s*(\d+)$/m.exec(textOf(info))?.[1]
  return found === undefined || mountId === undefined || found === mountId
}

function mountIdOf(mountPoint: string, table: string): string | undefined {
  const escaped = mountPoint.replace(/[\\ \t\n]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return textOf(table)
    .split('\n')
    .map((line) => line.split(' '))
    .findLast((fields) => fields[4] === escaped)?.[0]
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

const nameOf = (folder: string): string => textOf(join(folder, 'comm')).trim() || 'a process'
