import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Everything a restore must bring back, by path: content, kind, mode, owner, time to the nanosecond, link target. */
export function listTree(root: string): Record<string, string> {
  const rows: Record<string, string> = {}
  const visit = (path: Buffer, relative: string): void => {
    const s = lstatSync(path, { bigint: true })
    const mode = (s.mode & 0o7777n).toString(8)
    const common = `${s.uid}:${s.gid} ${s.mtimeNs}`
    const key = relative === '' ? '.' : relative
    if (s.isSymbolicLink()) rows[key] = `link ${common} -> ${readlinkSync(path)}`
    else if (s.isDirectory()) {
      rows[key] = `folder ${mode} ${common}`
      for (const name of readdirSync(path, { encoding: 'buffer' }))
        visit(Buffer.concat([path, Buffer.from('/'), name]), `${relative === '' ? '' : `${relative}/`}${name.toString('latin1')}`)
    } else if (s.isFile()) rows[key] = `file ${mode} ${common} ${s.size} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
    else rows[key] = `other ${mode}`
  }
  visit(Buffer.from(root), '')
  return rows
}
