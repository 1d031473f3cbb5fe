import { join } from 'node:path'
import type { Change } from './changes.ts'
import { segmentOf, zeroRange } from './extents.ts'
import type { StagingNode } from './node.ts'
import type { Spool } from './spool.ts'
import type { SpoolFiles } from './spool-files.ts'
import type { StagingTree } from './tree.ts'

export interface RecoveryOptions {
  readonly files: SpoolFiles
  readonly directory: string
  /** Records behind the damage may have spoken of spool files that nothing speaks of now: they are kept. */
  readonly keepStrays: boolean
  readonly warn: (line: string) => void
}

interface Found {
  readonly sizeBytes: number
  readonly diskBytes: number
}

/** Compares the spool with the table that the journal gave: files that no node uses are removed, bytes that a crash of the machine took
 *  before they were on disk become zeros, with a warning for each file (spec 08, 4.10). Returns the changes that say so. */
export function checkSpool(tree: StagingTree, spool: Spool, options: RecoveryOptions): Change[] {
  const found = findFiles(options)
  const used = new Set<string>()
  const changes: Change[] = []
  for (const node of tree.nodes.values()) {
    if (node.ranges === undefined) continue
    let lost = 0
    for (const range of node.ranges) {
      if (range.source !== 'spool') continue
      const segment = segmentOf(range)
      const path = segment < 0 ? spool.pathOf(node.id, range.generation) : spool.segments.pathOf(segment)
      used.add(path)
      if (segment >= 0) node.smallBytes += range.length
      const start = segment < 0 ? range.offset : range.lowerOffset
      const have = Math.min(range.length, Math.max(0, (found.get(path)?.sizeBytes ?? 0) - start))
      if (have === range.length) continue
      lost += range.length - have
      changes.push({ type: 'range', node: node.id, range: zeroRange(range.offset + have, range.length - have) })
    }
    if (lost > 0) options.warn(`${pathOf(node, tree)}: ${lost} bytes were not on disk when the machine stopped; they are zeros now`)
  }
  for (const [path, { sizeBytes, diskBytes }] of found) {
    const segment = segmentAt(path, options.directory)
    if (!used.has(path)) setAside(path, options)
    else if (segment === undefined) spool.found(path, sizeBytes, diskBytes)
    else spool.segments.found(segment, sizeBytes)
  }
  return changes
}

function findFiles({ files, directory }: RecoveryOptions): Map<string, Found> {
  const found = new Map<string, Found>()
  for (const folder of files.names(directory)) {
    if (folder !== 'small' && !/^[0-9a-f]{2}$/.test(folder)) continue
    for (const name of files.names(join(directory, folder))) {
      const path = join(directory, folder, name)
      const stat = files.stat(path)
      if (stat !== undefined) found.set(path, stat)
    }
  }
  return found
}

function segmentAt(path: string, directory: string): number | undefined {
  const prefix = join(directory, 'small/')
  return path.startsWith(prefix) ? Number(path.slice(prefix.length)) : undefined
}

function setAside(path: string, { files, directory, keepStrays, warn }: RecoveryOptions): void {
  if (!keepStrays) {
    files.remove(path)
    return
  }
  const kept = join(directory, 'lost', path.slice(directory.length + 1).replace('/', '-'))
  files.makeFolder(join(directory, 'lost'))
  files.rename(path, kept)
  warn(`the journal does not say any more what ${kept} belongs to; it is kept there`)
}

function pathOf(node: StagingNode, tree: StagingTree): string {
  const parts: string[] = []
  for (let at: StagingNode | undefined = node; at !== undefined && at.id !== tree.root; at = at.parent) parts.unshift(at.name)
  return Buffer.from(`/${parts.join('/')}`, 'latin1').toString()
}
