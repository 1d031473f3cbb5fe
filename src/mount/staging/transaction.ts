import { isUtf8 } from 'node:buffer'
import { errno, FuseError } from '#fuse/errno.ts'
import type { ByteName } from '#fuse/operations.ts'
import type { Change, NodeFacts } from './changes.ts'
import type { Journal } from './journal.ts'
import type { StagingNode } from './node.ts'
import type { StagingTree } from './tree.ts'

const numbers = { ELOOP: 40, EILSEQ: 84, EFBIG: 27, EMLINK: 31 } as const

/** One error a number: a stack for each of the many that mean nothing bad (no attribute, no such name) costs more than the operation. */
const errors = new Map<number, FuseError>()

export function fail(number: number): never {
  let error = errors.get(number)
  if (error === undefined) {
    error = new FuseError(number)
    errors.set(number, error)
  }
  throw error
}
export const { EILSEQ, EFBIG, EMLINK } = numbers

/** EILSEQ, ENAMETOOLONG (spec 08, 4.3). */
export function checkName(name: ByteName): void {
  if (name.length > 255) fail(errno.ENAMETOOLONG)
  if (!isUtf8(Buffer.from(name, 'latin1'))) fail(EILSEQ)
}

export interface Moment {
  readonly seconds: number
  readonly ns: number
}

export function momentOf(timeNs: bigint): Moment {
  let ns = Number(timeNs % 1_000_000_000n)
  let seconds = Number(timeNs / 1_000_000_000n)
  if (ns < 0) {
    ns += 1e9
    seconds--
  }
  return { seconds, ns }
}

export const modifiedAt = (facts: NodeFacts, { seconds, ns }: Moment): NodeFacts => ({
  ...facts,
  modifiedSeconds: seconds,
  modifiedNs: ns,
  changedSeconds: seconds,
  changedNs: ns,
})
export const changedAt = (facts: NodeFacts, { seconds, ns }: Moment): NodeFacts => ({ ...facts, changedSeconds: seconds, changedNs: ns })

/** The changes of one operation: first into the journal, then into the table. */
export class Transaction {
  private readonly changes: Change[] = []

  constructor(
    private readonly tree: StagingTree,
    private readonly journal: Journal,
  ) {}

  /** Puts a node of the lower tree, and the directories above it, into the journal. */
  store(node: StagingNode): void {
    if (node.isStored || this.changes.some((c) => c.type === 'node' && c.node === node.id)) return
    if (node.parent !== undefined) this.store(node.parent)
    this.changes.push({ type: 'node', node: node.id, facts: node.facts })
    if (node.base !== '') this.changes.push({ type: 'base', node: node.id, objectId: node.base, sizeBytes: node.baseBytes })
    if (node.parent !== undefined) this.changes.push({ type: 'name', directory: node.parent.id, name: node.name, node: node.id })
  }

  add(change: Change): void {
    this.changes.push(change)
  }

  facts(node: StagingNode, facts: NodeFacts): void {
    this.store(node)
    this.changes.push({ type: 'node', node: node.id, facts })
  }

  /** Takes a name away; what the lower directory may have under it is hidden. */
  unname(directory: StagingNode, name: ByteName): void {
    const table = this.tree.tableIn(directory.id)
    const isBelow =
      this.tree.isFrozen || // the object that is being made of the directory may have it
      (directory.base !== '' && (directory.base !== directory.view || (table?.stored.find(name) ?? 0) >= 0))
    this.changes.push({ type: 'name', directory: directory.id, name, node: isBelow ? 0 : -1 })
  }

  commit(): void {
    this.journal.append(this.changes)
    for (const change of this.changes) this.tree.apply(change)
  }
}
