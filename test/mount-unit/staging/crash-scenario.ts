import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { openStaging } from '#mount/staging/open.ts'
import type { SpoolFiles } from '#mount/staging/spool-files.ts'
import type { Staging, StagingOptions } from '#mount/staging/staging.ts'
import { emptyAttributes } from '#mount/table.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { FakeRepository } from './fake-repository.ts'
import { randomOf } from './model.ts'
import type { RecordedDisk } from './recorded-disk.ts'

export interface FileState {
  readonly meta: string
  readonly data: Buffer
  readonly node: number
}
export type TreeState = ReadonlyMap<string, FileState>

/** A staging area on a recorded disk, and what its tree was after each operation. */
export class CrashScenario {
  readonly repository = new FakeRepository()
  readonly states: TreeState[] = []
  /** Number of disk events when the operation was acknowledged. */
  readonly acknowledged: number[] = []
  /** Operation after which all names up to it are durable, and files that are. */
  readonly syncs: { readonly operation: number; readonly events: number; readonly nodes: readonly number[] }[] = []
  /** Last operation that wrote to the node. */
  readonly writes = new Map<number, number[]>()
  readonly warnings: string[] = []
  staging!: Staging
  nowNs = 1_800_000_000_000_000_000n

  constructor(
    readonly folder: string,
    readonly disk: RecordedDisk,
    readonly changed: Partial<StagingOptions> = {},
  ) {
    const entry = { type: 'f', mode: 0o644, modifiedNs: 1n, uid: 1, gid: 1 }
    const data = Buffer.from('lower bytes')
    this.repository.addDirectory([{ ...entry, name: 'low', sizeBytes: data.length, objectId: this.repository.addFile(data) }])
  }

  async open(disk: SpoolFiles = this.disk): Promise<Staging> {
    const rootObject = 'k2' as ObjectId
    const root = { name: '', type: 'd', mode: 0o755, sizeBytes: 0, modifiedNs: 1n, uid: 1, gid: 1, objectId: rootObject }
    return openStaging(
      {
        directory: this.folder,
        repositoryId: 'r',
        source: 'u@h:/p',
        lower: { snapshotId: 's', rootObject, root },
        xattrs: 'stage',
        spoolLimitBytes: 1 << 24,
        spoolReserveBytes: 0,
        owner: { uid: 1, gid: 1 },
        takeOver: false,
        firstNode: 2 ** 32,
        nowNs: () => (this.nowNs += 1_000n),
        warn: (line) => this.warnings.push(line),
        ...this.changed,
      },
      this.repository,
      disk,
    )
  }

  /** As if the process had ended without a word. */
  forgetLock(): void {
    rmSync(join(this.folder, 'lock'), { force: true })
  }

  async read(staging: Staging): Promise<TreeState> {
    const state = new Map<string, FileState>()
    const walk = async (id: number, path: string): Promise<void> => {
      for (const { name } of await staging.list(id)) {
        const node = (await staging.lookup(id, name)) as number
        const a = emptyAttributes()
        staging.attributes(node, a)
        const isDirectory = (a.mode & 0o170000) === 0o040000
        const data = isDirectory ? Buffer.alloc(0) : Buffer.from(await staging.read(node, 0, a.sizeBytes))
        const meta = `${a.mode.toString(8)} ${a.sizeBytes} ${a.modifiedSeconds}.${a.modifiedNs} ${isDirectory ? 0 : a.linkCount}`
        state.set(`${path}/${name}`, { meta, data, node })
        if (isDirectory) await walk(node, `${path}/${name}`)
      }
    }
    await walk(staging.root, '')
    return new Map([...state].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async step(run: () => unknown): Promise<void> {
    await run()
    this.acknowledged.push(this.disk.events.length)
    this.states.push(await this.read(this.staging))
  }

  /** Runs a repeatable list of operations. */
  async run(seed: number, count: number): Promise<void> {
    const random = randomOf(seed)
    this.staging = await this.open()
    const { staging } = this
    const { root } = staging
    await this.step(() => undefined)
    const owner = { uid: 1, gid: 1 }
    const node = async (name: string): Promise<number> =>
      (await staging.lookup(root, name)) ?? (await staging.make(root, name, 0o100600, owner))
    const synced = (nodes: number[]): void => {
      this.syncs.push({ operation: this.states.length - 1, events: this.disk.events.length, nodes })
    }
    for (let i = 0; i < count; i++) {
      const name = ['a', 'b', 'low', 'c'][random(4)] as string
      const other = ['a', 'b', 'c'][random(3)] as string
      const roll = random(10)
      const bytes = Buffer.alloc(1 + random(3000), 1 + random(250))
      if ((await staging.lookup(root, name)) === undefined) await this.step(() => node(name))
      if (roll < 4) {
        const id = await node(name)
        const offset = random(2) === 0 ? 0 : random(2000)
        this.writes.set(id, [...(this.writes.get(id) ?? []), this.states.length])
        await this.step(() => staging.write(id, offset, bytes, false))
      } else if (roll < 5) await this.step(async () => staging.setAttributes(await node(name), { sizeBytes: random(2) * 500 }))
      else if (roll < 6) {
        if (name !== other) {
          const id = await node(name)
          const isOver = (await staging.lookup(root, other)) !== undefined
          await this.step(() => staging.rename(root, name, root, other, 0))
          if (isOver) this.syncs.push({ operation: -1, events: this.disk.events.length, nodes: [id] })
        }
      } else if (roll < 7) await this.step(() => staging.unlink(root, name))
      else if (roll < 9) {
        const id = await node(name)
        const at = this.states.length - 1
        await staging.sync(id)
        this.syncs.push({ operation: at, events: this.disk.events.length, nodes: [id] })
      } else {
        const nodes = [...(this.states.at(-1)?.values() ?? [])].map((f) => f.node)
        await staging.syncAll()
        synced(nodes)
      }
    }
  }
}

export const metaOf = (state: TreeState): string => JSON.stringify([...state].map(([path, { meta }]) => [path, meta]))
