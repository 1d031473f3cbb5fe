import { openStaging } from '#mount/staging/open.ts'
import { diskFiles, type SpoolFiles } from '#mount/staging/spool-files.ts'
import type { Staging, StagingOptions } from '#mount/staging/staging.ts'
import { emptyAttributes } from '#mount/table.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { FakeRepository } from './fake-repository.ts'
import { contains, type Description, describe1, describeModel, type ModelNode, newModelNode, randomOf } from './model.ts'

const names = ['a', 'b', 'c', 'd', 'e', 'f', Buffer.from('ü').toString('latin1')]
const kindBits = { file: 0o100000, directory: 0o040000, link: 0o120000, fifo: 0o010000 } as const
const kindNames = new Map(Object.entries(kindBits).map(([kind, bits]) => [bits as number, kind as ModelNode['kind']]))
const maxBytes = 40_000

interface Place {
  readonly directory: ModelNode
  readonly name: string
  readonly node: ModelNode | undefined
  /** Node number of the directory. */
  readonly parent: number
}

/** Does the same random operations on an overlay and on the model. Each returns when both are done; a differing errno throws. */
export class RandomOperations {
  readonly repository = new FakeRepository()
  readonly root: ModelNode
  readonly warnings: string[] = []
  staging!: Staging
  nowNs = 1_800_000_000_000_000_000n
  files: SpoolFiles = diskFiles
  /** Open files that may have no name any more. */
  private held: { readonly id: number; readonly model: ModelNode }[] = []
  private known: number[] = []
  private readonly random: (below: number) => number
  private readonly options: StagingOptions
  log: string[] = []

  constructor(folder: string, seed: number, changed: Partial<StagingOptions> = {}) {
    this.random = randomOf(seed)
    const owner = { uid: 1, gid: 2 }
    this.root = newModelNode('directory', 0o755, 5, 6, 1_700_000_000_123_456_789n)
    const rootObject = this.seedLower(this.root, 3)
    this.options = {
      directory: folder,
      repositoryId: 'r',
      source: 'u@h:/p',
      lower: {
        snapshotId: 's0',
        rootObject,
        root: { name: '', type: 'd', mode: 0o755, sizeBytes: 0, modifiedNs: this.root.modifiedNs, uid: 5, gid: 6, objectId: rootObject },
      },
      xattrs: 'refuse',
      spoolLimitBytes: 1 << 30,
      spoolReserveBytes: 0,
      owner,
      takeOver: false,
      firstNode: 2 ** 32,
      nowNs: () => this.nowNs,
      warn: (line) => this.warnings.push(line),
      ...changed,
    }
  }

  private seedLower(directory: ModelNode, depth: number): ObjectId {
    const entries = names.slice(0, 4).map((name, i) => {
      const isDirectory = i < 2 && depth > 0
      const model = newModelNode(
        isDirectory ? 'directory' : 'file',
        isDirectory ? 0o755 : 0o644,
        5,
        6,
        1_700_000_000_000_000_000n + BigInt(i),
      )
      directory.children.set(name, model)
      if (!isDirectory) model.data = this.bytes(this.random(9000))
      const objectId = isDirectory ? this.seedLower(model, depth - 1) : this.repository.addFile(model.data)
      const { mode, uid, gid, modifiedNs } = model
      return { name, type: isDirectory ? 'd' : 'f', mode, uid, gid, modifiedNs, objectId, sizeBytes: model.data.length }
    })
    return this.repository.addDirectory(entries)
  }

  async open(files: SpoolFiles = this.files): Promise<void> {
    this.held = []
    this.known = []
    this.staging = await openStaging(this.options, this.repository, files)
  }

  async reopen(): Promise<void> {
    await this.staging.close()
    await this.open()
  }

  private bytes(length: number): Buffer {
    const first = this.random(256)
    const data = Buffer.alloc(length)
    for (let i = 0; i < length; i++) data[i] = (first + i * 7) & 255
    return data
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random(list.length)] as T
  }

  private async place(wantDirectory = false): Promise<Place> {
    let directory = this.root
    let parent = this.staging.root
    for (;;) {
      const name = this.pick(names)
      const node = directory.children.get(name)
      const next = node?.kind === 'directory' && this.random(wantDirectory ? 6 : 4) > 0
      if (!next || node === undefined) return { directory, name, node, parent }
      parent = (await this.staging.lookup(parent, name)) as number
      directory = node
      if (this.random(8) === 0) this.remember(parent)
    }
  }

  private remember(node: number): void {
    this.staging.remember(node)
    this.known.push(node)
  }

  private async file(): Promise<{ readonly id: number; readonly model: ModelNode } | undefined> {
    if (this.held.length > 0 && this.random(6) === 0) return this.pick(this.held)
    for (let attempt = 0; attempt < 12; attempt++) {
      const { node, parent, name } = await this.place()
      if (node?.kind === 'file') return { id: (await this.staging.lookup(parent, name)) as number, model: node }
    }
    return undefined
  }

  /** Runs on the overlay; the errno, or 0. */
  private async attempt(text: string, run: () => unknown): Promise<number> {
    this.log.push(text)
    if (this.log.length > 60) this.log.shift()
    try {
      await run()
      return 0
    } catch (error) {
      const { errno } = error as { errno?: number }
      if (errno === undefined) throw error
      return errno
    }
  }

  private same(text: string, got: number, expected: number): boolean {
    if (got !== expected) throw new Error(`${text}: errno ${got}, not ${expected}\n${this.log.join('\n')}`)
    return got === 0
  }

  async step(): Promise<void> {
    this.nowNs += 1_000n + BigInt(this.random(1_000_000))
    const roll = this.random(100)
    if (roll < 22) return this.make()
    if (roll < 40) return this.write()
    if (roll < 46) return this.truncate()
    if (roll < 50) return this.allocate()
    if (roll < 56) return this.copy()
    if (roll < 60) return this.link()
    if (roll < 68) return this.remove()
    if (roll < 80) return this.rename()
    if (roll < 88) return this.attributes()
    if (roll < 92) return this.hold()
    if (roll < 96) return this.seek()
    return this.forget()
  }

  private async make(): Promise<void> {
    const { directory, name, node, parent } = await this.place()
    const kind = this.pick(['file', 'file', 'file', 'directory', 'directory', 'link', 'fifo'] as const)
    const mode = this.pick([0o644, 0o755, 0o600, 0o2775])
    const target = this.bytes(5)
    const owner = { uid: this.random(3), gid: this.random(3) }
    const got = await this.attempt(`make ${kind} ${name}`, () =>
      kind === 'link' ? this.staging.makeLink(parent, name, target, owner) : this.staging.make(parent, name, kindBits[kind] | mode, owner),
    )
    if (!this.same('make', got, node === undefined ? 0 : 17)) return
    const inherits = (directory.mode & 0o2000) !== 0
    const realMode = kind === 'link' ? 0o777 : inherits && kind === 'directory' ? mode | 0o2000 : mode
    const made = newModelNode(kind, realMode, owner.uid, inherits ? directory.gid : owner.gid, this.nowNs)
    if (kind === 'link') made.data = target
    directory.children.set(name, made)
    directory.modifiedNs = this.nowNs
  }

  private async write(): Promise<void> {
    const found = await this.file()
    if (found === undefined) return
    const { id, model } = found
    const offset = this.random(4) === 0 ? model.data.length : this.random(maxBytes / 2)
    const data = this.bytes(this.pick([1, 10, 500, 4096, 9000]))
    this.same('write', await this.attempt(`write ${id} ${offset}+${data.length}`, () => this.staging.write(id, offset, data, false)), 0)
    this.put(model, offset, data)
  }

  private put(model: ModelNode, offset: number, data: Uint8Array): void {
    const grown = Buffer.alloc(Math.max(model.data.length, offset + data.length))
    model.data.copy(grown)
    grown.set(data, offset)
    model.data = grown
    model.modifiedNs = this.nowNs
  }

  private async truncate(): Promise<void> {
    const found = await this.file()
    if (found === undefined) return
    const { id, model } = found
    const sizeBytes = this.pick([0, 0, this.random(model.data.length + 1), this.random(maxBytes)])
    this.same('truncate', await this.attempt(`truncate ${id} ${sizeBytes}`, () => this.staging.setAttributes(id, { sizeBytes })), 0)
    const cut = Buffer.alloc(sizeBytes)
    model.data.copy(cut)
    model.data = cut
    model.modifiedNs = this.nowNs
  }

  private async allocate(): Promise<void> {
    const found = await this.file()
    if (found === undefined) return
    const { id, model } = found
    const mode = this.pick([0, 1, 3, 3])
    const [offset, length] = [this.random(maxBytes / 2), 1 + this.random(9000)]
    const text = `allocate ${id} ${offset}+${length} ${mode}`
    this.same('allocate', await this.attempt(text, () => this.staging.allocate(id, offset, length, mode)), 0)
    const end = Math.min(offset + length, model.data.length)
    if (mode === 3 && end > offset) this.put(model, offset, Buffer.alloc(end - offset))
    if (mode === 0 && offset + length > model.data.length) this.put(model, offset + length, Buffer.alloc(0))
    model.modifiedNs = this.nowNs
  }

  private async copy(): Promise<void> {
    const from = await this.file()
    const to = await this.file()
    if (from === undefined || to === undefined) return
    const [fromOffset, toOffset, length] = [this.random(9000), this.random(maxBytes / 2), 1 + this.random(20_000)]
    if (this.random(3) === 0) {
      const [objectId, data] = this.pick([...this.repository.files])
      const taken = Math.max(0, Math.min(length, data.length - fromOffset))
      await this.attempt(`copy object ${objectId} to ${to.id} ${toOffset}+${taken}`, () =>
        this.staging.copyObject(objectId as ObjectId, data.length, fromOffset, to.id, toOffset, length),
      )
      if (taken > 0) this.put(to.model, toOffset, data.subarray(fromOffset, fromOffset + taken))
      return
    }
    const bytes = Buffer.from(from.model.data.subarray(fromOffset, fromOffset + length))
    const overlaps = from.model === to.model && bytes.length > 0 && Math.abs(fromOffset - toOffset) < bytes.length
    const got = await this.attempt(`copy ${from.id} ${fromOffset} to ${to.id} ${toOffset} ${length}`, () =>
      this.staging.copyRange(from.id, fromOffset, to.id, toOffset, length),
    )
    if (this.same('copy', got, overlaps ? 22 : 0) && bytes.length > 0) this.put(to.model, toOffset, bytes)
  }

  private async link(): Promise<void> {
    const found = await this.file()
    const { directory, name, node, parent } = await this.place()
    if (found === undefined) return
    if (found.model.links === 0) return
    const got = await this.attempt(`link ${found.id} ${name}`, () => this.staging.link(found.id, parent, name))
    if (!this.same('link', got, node === undefined ? 0 : 17)) return
    directory.children.set(name, found.model)
    directory.modifiedNs = this.nowNs
    found.model.links++
  }

  private async remove(): Promise<void> {
    const { directory, name, node, parent } = await this.place()
    const wants = this.random(2) === 0
    const got = await this.attempt(`remove ${name} ${wants}`, () =>
      wants ? this.staging.removeDirectory(parent, name) : this.staging.unlink(parent, name),
    )
    const isDirectory = node?.kind === 'directory'
    const full = isDirectory && node.children.size > 0
    if (!this.same('remove', got, node === undefined ? 2 : isDirectory !== wants ? (wants ? 20 : 21) : full ? 39 : 0)) return
    directory.children.delete(name)
    directory.modifiedNs = this.nowNs
    ;(node as ModelNode).links -= isDirectory ? 2 : 1
  }

  private async rename(): Promise<void> {
    const from = await this.place()
    const to = await this.place(true)
    const flags = this.pick([0, 0, 0, 1, 2])
    const text = `rename ${from.parent} ${from.name} ${to.parent} ${to.name} ${flags}`
    const got = await this.attempt(text, () => this.staging.rename(from.parent, from.name, to.parent, to.name, flags))
    if (!this.same(text, got, this.renameErrno(from, to, flags)) || from.node === undefined || from.node === to.node) return
    from.directory.children.delete(from.name)
    to.directory.children.set(to.name, from.node)
    if (flags === 2 && to.node !== undefined) from.directory.children.set(from.name, to.node)
    else if (to.node !== undefined) to.node.links -= to.node.kind === 'directory' ? 2 : 1
    from.directory.modifiedNs = to.directory.modifiedNs = this.nowNs
  }

  private renameErrno(from: Place, to: Place, flags: number): number {
    if (from.node === undefined) return 2
    if (flags === 1 && to.node !== undefined) return 17
    if (flags === 2 && to.node === undefined) return 2
    if (from.node === to.node) return 0
    if (contains(from.node, to.directory)) return 22
    if (to.node === undefined) return 0
    if (flags === 2) return contains(to.node, from.directory) ? 22 : 0
    if (from.node.kind === 'directory' && to.node.kind !== 'directory') return 20
    if (from.node.kind !== 'directory' && to.node.kind === 'directory') return 21
    return to.node.kind === 'directory' && to.node.children.size > 0 ? 39 : 0
  }

  private async attributes(): Promise<void> {
    const { node, parent, name } = await this.place()
    if (node === undefined || node.kind === 'link') return
    const id = (await this.staging.lookup(parent, name)) as number
    const modifiedNs = 1_600_000_000_000_000_000n + BigInt(this.random(1_000_000_000))
    const change = this.pick([
      { mode: this.pick([0o644, 0o700, 0o2755]) },
      { modified: { seconds: Number(modifiedNs / 1_000_000_000n), ns: Number(modifiedNs % 1_000_000_000n) } },
      { uid: this.random(4), gid: this.random(4), mode: 0o640 },
    ])
    this.same('setattr', await this.attempt(`attributes ${id} ${JSON.stringify(change)}`, () => this.staging.setAttributes(id, change)), 0)
    if ('mode' in change && change.mode !== undefined) node.mode = change.mode
    if ('uid' in change) {
      node.uid = change.uid as number
      node.gid = change.gid as number
    }
    if ('modified' in change) node.modifiedNs = modifiedNs
  }

  private async hold(): Promise<void> {
    if (this.held.length > 4 || this.random(3) === 0) {
      const [gone] = this.held.splice(this.random(this.held.length + 1), 1)
      if (gone !== undefined) this.staging.closed(gone.id, true)
      return
    }
    const found = await this.file()
    if (found === undefined) return
    this.staging.opened(found.id, true)
    this.held.push(found)
  }

  private async seek(): Promise<void> {
    const found = await this.file()
    if (found === undefined) return
    const { id, model } = found
    const offset = this.random(maxBytes / 2)
    let data = -1
    const got = await this.attempt(`seek ${id} ${offset}`, async () => {
      data = await this.staging.seek(id, offset, 3)
    })
    const end = got === 6 ? model.data.length : data
    if (model.data.subarray(offset, end).some((b) => b !== 0)) throw new Error(`a hole of ${id} at ${offset} has data`)
    if (offset >= model.data.length) this.same('seek behind the end', got, 6)
    else if ((await this.staging.seek(id, offset, 4)) > model.data.length) throw new Error('a hole behind the end')
  }

  private async forget(): Promise<void> {
    for (const node of this.known.splice(0)) this.staging.forget(node, 1)
    await this.staging.syncAll()
  }

  /** The overlay as the model would describe it. */
  async describe(): Promise<Description> {
    const lines: Description = {}
    const walk = async (id: number, path: string): Promise<void> => {
      const a = emptyAttributes()
      this.staging.attributes(id, a)
      const kind = kindNames.get(a.mode & 0o170000) as ModelNode['kind']
      const body =
        kind === 'file'
          ? await this.staging.read(id, 0, a.sizeBytes + 9)
          : kind === 'link'
            ? await this.staging.readLink(id)
            : Buffer.alloc(0)
      const modifiedNs = BigInt(a.modifiedSeconds) * 1_000_000_000n + BigInt(a.modifiedNs)
      if (kind === 'file' && body.length !== a.sizeBytes) throw new Error(`${path} is not as long as its size`)
      lines[path] = describe1(kind, a.mode, a.uid, a.gid, modifiedNs, body, kind === 'directory' ? undefined : a.linkCount)
      if (kind !== 'directory') return
      for (const { name } of await this.staging.list(id)) await walk((await this.staging.lookup(id, name)) as number, `${path}/${name}`)
      this.staging.attributes(id, a)
      const subdirectories = (await this.staging.list(id)).filter((e) => e.kind === 0o040000).length
      if (a.linkCount !== 1 && a.linkCount !== 2 + subdirectories) throw new Error(`${path} has link count ${a.linkCount}`)
    }
    await walk(this.staging.root, '')
    return lines
  }

  /** Contents of files that are open, with or without names. */
  async heldAreEqual(): Promise<void> {
    for (const { id, model } of this.held) {
      if (!Buffer.from(await this.staging.read(id, 0, maxBytes * 2)).equals(model.data)) throw new Error(`open file ${id} differs`)
    }
  }

  describeModel(stored = false): Description {
    return describeModel(this.root, stored)
  }

  /** A flush while `during` operations go on. Returns the tree of the snapshot and the model of the moment of the flush point. */
  async flush(id: string, during: number, gives: boolean): Promise<{ readonly stored: Description; readonly model: Description }> {
    const model = this.describeModel(true)
    const point = this.staging.freeze()
    this.log.push(`freeze ${id}`)
    let running = true
    const writing = this.repository.write(point).finally(() => {
      running = false
    })
    for (let i = 0; i < during || (during > 0 && running); i++) await this.step()
    const { rootObject, objects } = await writing
    const stored = this.repository.describe(rootObject, model[''] as string)
    if (gives) {
      const committing = point.commit({ snapshotId: id, rootObject, objects })
      for (let i = 0; i < during / 4; i++) await this.step()
      await committing
    } else point.abandon()
    this.log.push(`${gives ? 'commit' : 'abandon'} ${id}`)
    return { stored, model }
  }
}
