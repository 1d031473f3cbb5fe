import { createHash } from 'node:crypto'
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** Everything a restore must bring back, by path: content, kind, mode, owner, time to the nanosecond, link target. `folderTime` says which
 *  time folders below the root are listed with: of the newest time in them, if there is anything, and their own. */
function list(root: string, folderTime: (own: bigint, newestInside: bigint | undefined) => bigint): Record<string, string> {
  const rows: Record<string, string> = {}
  const rowOf = (path: Buffer, s: BigIntStats, timeNs: bigint): string => {
    const mode = (s.mode & 0o7777n).toString(8)
    const common = `${s.uid}:${s.gid} ${timeNs}`
    if (s.isSymbolicLink()) return `link ${common} -> ${readlinkSync(path)}`
    if (s.isDirectory()) return `folder ${mode} ${common}`
    if (!s.isFile()) return `other ${mode}`
    return `file ${mode} ${common} ${s.size} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
  }
  const visit = (path: Buffer, relative: string): bigint => {
    const s = lstatSync(path, { bigint: true })
    let newestInside: bigint | undefined
    const key = relative === '' ? '.' : relative
    rows[key] = ''
    if (s.isDirectory())
      for (const name of readdirSync(path, { encoding: 'buffer' })) {
        const below = `${relative === '' ? '' : `${relative}/`}${name.toString('latin1')}`
        newestInside = later(visit(Buffer.concat([path, Buffer.from('/'), name]), below), newestInside ?? 0n)
      }
    rows[key] = rowOf(path, s, s.isDirectory() && relative !== '' ? folderTime(s.mtimeNs, newestInside) : s.mtimeNs)
    return later(s.mtimeNs, newestInside ?? s.mtimeNs)
  }
  visit(Buffer.from(root), '')
  return rows
}

/** A tree as it is. */
export const listTree = (root: string): Record<string, string> => list(root, (own) => own)

/** A tree as a restore of it is: folders below the root have the newest time of what is in them, never one before 1970 (spec 07, 7.4.1). */
export const listAsRestored = (root: string): Record<string, string> => list(root, (own, newestInside) => newestInside ?? own)
