import { fileKind } from '#fuse/abi.ts'
import { errno } from '#fuse/errno.ts'
import type { ByteName, Reply } from '#fuse/operations.ts'
import type { StagingContents } from './contents.ts'
import type { Journal } from './journal.ts'
import type { StagingNode } from './node.ts'
import type { Spool } from './spool.ts'
import type { Owner } from './staging.ts'
import { changedAt, checkName, EMLINK, fail, type Moment, modifiedAt, Transaction } from './transaction.ts'
import type { StagingTree } from './tree.ts'

const maxLinks = 65_000
/** What a new name is counted with against the limit of the spool. */
const recordBytes = 512

/** Operations on names (spec 08, 4.2 and 4.3). */
export class StagingNames {
  constructor(
    private readonly tree: StagingTree,
    private readonly journal: Journal,
    private readonly spool: Spool,
    private readonly now: () => Moment,
    private readonly contents: StagingContents,
  ) {}

  private withDirectory<T>(directory: number, run: (node: StagingNode) => T): Reply<T> {
    const go = (): T => {
      const node = this.tree.get(directory)
      if (node.facts.links === 0) fail(errno.ENOENT)
      return run(node)
    }
    const waiting = this.tree.ready(directory)
    return waiting === undefined ? go() : (waiting as Promise<void>).then(go)
  }

  private begin(): Transaction {
    return new Transaction(this.tree, this.journal)
  }

  make(parent: number, name: ByteName | undefined, mode: number, owner: Owner, target?: Uint8Array): Reply<number> {
    if (name !== undefined) checkName(name)
    return this.withDirectory(parent, (directory) => {
      if (name !== undefined && this.tree.find(parent, name) !== undefined) fail(errno.EEXIST)
      this.spool.admit(recordBytes)
      const now = this.now()
      const isDirectory = (mode & fileKind.mask) === fileKind.directory
      const inherits = (directory.facts.mode & 0o2000) !== 0
      const id = this.tree.nextNode++
      const change = this.begin()
      change.store(directory)
      change.add({
        type: 'node',
        node: id,
        facts: {
          mode: inherits && isDirectory ? mode | 0o2000 : mode,
          uid: owner.uid,
          gid: inherits ? directory.facts.gid : owner.gid,
          links: name === undefined ? 0 : isDirectory ? 2 : 1,
          accessedSeconds: now.seconds,
          accessedNs: now.ns,
          modifiedSeconds: now.seconds,
          modifiedNs: now.ns,
          changedSeconds: now.seconds,
          changedNs: now.ns,
        },
      })
      if (target !== undefined) change.add({ type: 'target', node: id, target })
      if (name !== undefined) {
        change.add({ type: 'name', directory: parent, name, node: id })
        change.facts(directory, modifiedAt(directory.facts, now))
      }
      change.commit()
      return id
    })
  }

  link(id: number, parent: number, name: ByteName): Reply<void> {
    checkName(name)
    return this.withDirectory(parent, (directory) => {
      const node = this.tree.get(id)
      if (node.isDirectory) fail(errno.EPERM)
      if (this.tree.find(parent, name) !== undefined) fail(errno.EEXIST)
      if (node.facts.links >= maxLinks) fail(EMLINK)
      this.spool.admit(recordBytes)
      const now = this.now()
      const change = this.begin()
      change.store(directory)
      change.facts(node, { ...changedAt(node.facts, now), links: node.facts.links + 1 })
      change.add({ type: 'name', directory: parent, name, node: id })
      change.facts(directory, modifiedAt(directory.facts, now))
      change.commit()
    })
  }

  remove(parent: number, name: ByteName, wantsDirectory: boolean): Reply<void> {
    return this.withDirectory(parent, (directory) => {
      const id = this.tree.find(parent, name)
      if (id === undefined) return fail(errno.ENOENT)
      const isDirectory = this.tree.kindOf(id) === fileKind.directory
      if (isDirectory !== wantsDirectory) fail(wantsDirectory ? errno.ENOTDIR : errno.EISDIR)
      const go = (): void => {
        if (isDirectory && !this.tree.isEmpty(id)) fail(errno.ENOTEMPTY)
        const node = this.tree.get(id)
        const now = this.now()
        const change = this.begin()
        change.store(directory)
        this.dropLink(change, node, now)
        change.unname(directory, name)
        change.facts(directory, modifiedAt(directory.facts, now))
        change.commit()
        this.tree.reap(node)
      }
      return this.after(isDirectory ? this.tree.ready(id) : undefined, go)
    }) as Reply<void>
  }

  private after<T>(waiting: Reply<void>, go: () => T): Reply<T> {
    return waiting === undefined ? go() : (waiting as Promise<void>).then(go)
  }

  private dropLink(change: Transaction, node: StagingNode, now: Moment): void {
    change.facts(node, { ...changedAt(node.facts, now), links: node.isDirectory ? 0 : node.facts.links - 1 })
  }

  rename(parent: number, name: ByteName, newParent: number, newName: ByteName, flags: number, isSynced = false): Reply<void> {
    checkName(newName)
    return this.withDirectory(parent, () =>
      this.withDirectory(newParent, () => {
        const target = this.tree.find(newParent, newName)
        const isDirectory = target !== undefined && this.tree.kindOf(target) === fileKind.directory
        return this.after(isDirectory ? this.tree.ready(target) : undefined, () =>
          this.renameNow(parent, name, newParent, newName, flags, isSynced),
        )
      }),
    ) as Reply<void>
  }

  private renameNow(parent: number, name: ByteName, newParent: number, newName: ByteName, flags: number, isSynced: boolean): Reply<void> {
    const id = this.tree.find(parent, name)
    const victim = this.tree.find(newParent, newName)
    if (id === undefined) return fail(errno.ENOENT)
    if ((flags & 1) !== 0 && victim !== undefined) fail(errno.EEXIST)
    if ((flags & 2) !== 0 && victim === undefined) fail(errno.ENOENT)
    if (id === victim) return
    const node = this.tree.get(id)
    this.checkLoop(node, newParent)
    if (victim === undefined) return this.move(parent, name, newParent, newName)
    const other = this.tree.get(victim)
    if ((flags & 2) !== 0) {
      this.checkLoop(other, parent)
      return this.exchange(parent, name, newParent, newName)
    }
    if (node.isDirectory && !other.isDirectory) fail(errno.ENOTDIR)
    if (!node.isDirectory && other.isDirectory) fail(errno.EISDIR)
    if (other.isDirectory && !this.tree.isEmpty(victim)) fail(errno.ENOTEMPTY)
    // The data must not come after the name that replaces good data (spec 08, 4.6).
    const waiting = this.contents.isUnsynced(node) && !isSynced ? this.contents.sync(node) : undefined
    if (!(waiting instanceof Promise)) return this.move(parent, name, newParent, newName)
    return waiting.then(() => this.rename(parent, name, newParent, newName, flags, true))
  }

  private checkLoop(node: StagingNode, into: number): void {
    if (!node.isDirectory) return
    for (let at = into; ; at = this.tree.parentOf(at)) {
      if (at === node.id) fail(errno.EINVAL)
      if (at === this.tree.root) return
    }
  }

  private move(parent: number, name: ByteName, newParent: number, newName: ByteName): void {
    const id = this.tree.find(parent, name) as number
    const victim = this.tree.find(newParent, newName)
    const [from, to, node] = [this.tree.get(parent), this.tree.get(newParent), this.tree.get(id)]
    const now = this.now()
    const change = this.begin()
    change.store(from)
    change.store(to)
    change.facts(node, changedAt(node.facts, now))
    const other = victim === undefined ? undefined : this.tree.get(victim)
    if (other !== undefined) this.dropLink(change, other, now)
    change.unname(from, name)
    change.add({ type: 'name', directory: newParent, name: newName, node: id })
    change.facts(from, modifiedAt(from.facts, now))
    if (to !== from) change.facts(to, modifiedAt(to.facts, now))
    change.commit()
    if (other !== undefined) this.tree.reap(other)
  }

  private exchange(parent: number, name: ByteName, newParent: number, newName: ByteName): void {
    const [a, b] = [this.tree.get(this.tree.find(parent, name) as number), this.tree.get(this.tree.find(newParent, newName) as number)]
    const [from, to] = [this.tree.get(parent), this.tree.get(newParent)]
    const now = this.now()
    const change = this.begin()
    change.store(from)
    change.store(to)
    change.facts(a, changedAt(a.facts, now))
    change.facts(b, changedAt(b.facts, now))
    change.add({ type: 'name', directory: parent, name, node: b.id })
    change.add({ type: 'name', directory: newParent, name: newName, node: a.id })
    change.facts(from, modifiedAt(from.facts, now))
    if (to !== from) change.facts(to, modifiedAt(to.facts, now))
    change.commit()
  }
}
