import { posix } from 'node:path'

/** What symbolic links of snapshots show: what is stored, or, where that is an absolute path into the source of the snapshot, the same place
 *  inside the snapshot (spec 08, 2). */
export type LinkPolicy = 'as-is' | 'inside'

/** The target of a link for somebody who looks at the snapshot, when it points into the source: relative to the link. Anything else stays as it
 *  is. `path` is the link's own, below the snapshot's root; all are bytes, one character each. */
export function targetInside(target: string, path: string, sourcePath: string): string {
  if (!target.startsWith('/')) return target
  const root = sourcePath === '/' ? '' : sourcePath.replace(/\/+$/, '')
  const wanted = posix.normalize(target) // '..' may lead out of the source
  if (wanted !== root && !wanted.startsWith(`${root}/`)) return target
  const up = '../'.repeat(path.split('/').length - 1)
  return `${up}${wanted.slice(root.length + 1)}`.replace(/\/$/, '') || '.'
}
