import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { journalPath, readJournal } from './journal.ts'
import { lockStaging, StagingError } from './lock.ts'
import type { StagingNode } from './node.ts'
import { StagingTree } from './tree.ts'

export interface StagingReport {
  readonly directory: string
  readonly source: string
  readonly repositoryId: string
  readonly lowerSnapshotId: string | undefined
  readonly lastFlushId: string
  readonly xattrs: string
  readonly isEncrypted: boolean
  readonly dirtyNodes: number
  readonly dirtyBytes: number
  /** Kept though no snapshot has it: rubbish, and what rules leave out. */
  readonly leftOutNodes: number
  /** Bytes behind the last record that could be read; 0 = all is well. */
  readonly unreadableBytes: number
  /** Of what is not in a snapshot. */
  readonly changedPaths: readonly string[]
}

/** Looks at a staging area without changing it. StagingError when its journal cannot be read. */
export function inspectStaging(directory: string): StagingReport {
  const none = (): never => {
    throw new StagingError('the lower tree is not looked at')
  }
  const tree = new StagingTree(1, 2, { readDirectory: none, read: none })
  const read = readJournal(readFileSync(journalPath(directory)), 0, (changes) => {
    for (const change of changes) tree.apply(change)
  })
  if (read === undefined) throw new StagingError(`the journal in ${directory} is damaged at its head; nothing was changed`)
  const { header, goodBytes, totalBytes, sequence } = read
  const root = tree.nodes.get(1)
  if (sequence === 1 && root !== undefined) tree.uncount(root) // as it was made
  return {
    directory,
    source: header.source,
    repositoryId: header.repositoryId,
    lowerSnapshotId: header.lower?.snapshotId,
    lastFlushId: header.lastFlushId,
    xattrs: header.xattrs,
    isEncrypted: header.sealedKey !== undefined,
    dirtyNodes: tree.counted.size,
    dirtyBytes: tree.dirtyBytes,
    leftOutNodes: [...tree.nodes.values()].filter((node) => node.isLeftOut && node.facts.links > 0).length,
    unreadableBytes: totalBytes - goodBytes,
    changedPaths: [...tree.counted].filter((node) => node.facts.links > 0).map(pathOf),
  }
}

function pathOf(node: StagingNode): string {
  const names: string[] = []
  for (let at: StagingNode | undefined = node; at?.parent !== undefined; at = at.parent) names.unshift(at.name)
  return Buffer.from(names.join('/'), 'latin1').toString() || '.'
}

/** Folders of staging areas directly below a base folder. */
export function listStagings(base: string): string[] {
  if (!existsSync(base)) return []
  return readdirSync(base)
    .map((name) => join(base, name))
    .filter((directory) => existsSync(journalPath(directory)))
}

/** Removes a staging area with all that is not in a snapshot. StagingError while it is mounted. */
export function discardStaging(directory: string): void {
  if (!existsSync(journalPath(directory))) throw new StagingError(`${directory} is no staging area`)
  lockStaging(directory)
  rmSync(directory, { recursive: true })
}
