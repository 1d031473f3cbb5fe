import { createHash } from 'node:crypto'
import type { Clock } from '#base/clock.ts'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { ContentInfo } from '#repo/content/content-info.ts'
import { buildIndex } from '#repo/content/index/build.ts'
import { IndexSet } from '#repo/content/index/index-set.ts'
import type { ActiveIndexBlobs, IndexBlobContext } from '#repo/content/index-blobs/context.ts'
import { SealedIndexes } from '#repo/content/index-blobs/sealed-index.ts'
import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import type { EpochParameters, RepositoryFormat } from '#repo/format/repository-format.ts'
import { row } from '../index/sample-rows.ts'

export const minuteMs = 60_000
export const hourMs = 60 * minuteMs
export const dayMs = 24 * hourMs

export class TestClock implements Clock {
  ms = Date.UTC(2026, 0, 1)
  nowMs(): number {
    return this.ms
  }
  nowNs(): bigint {
    return BigInt(this.ms) * 1_000_000n
  }
}

const hasher: Hasher = {
  name: 'test',
  sizeBytes: 16,
  digest: (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest().subarray(0, 16),
  digestMany: (messages) => Promise.resolve(Buffer.concat(messages.map((m) => hasher.digest(m)))),
}

/** Not encryption: puts the identity in front, so that opening under another name fails. */
const cipher: Cipher = {
  name: 'test',
  overheadBytes: 28,
  seal: (plain, identity) => Buffer.concat([identity, Buffer.alloc(12), plain]),
  open(sealed, identity) {
    if (Buffer.compare(sealed.subarray(0, 16), identity) !== 0) throw new Error('wrong identity')
    return Buffer.from(sealed.subarray(28))
  },
  sealMany: (plains, identities) => Promise.resolve(plains.map((p, i) => cipher.seal(p, identities[i] as Uint8Array))),
  openAsync: (sealed, identity) => Promise.resolve(cipher.open(sealed, identity)),
}

export const defaultEpochs: EpochParameters = {
  enabled: true,
  epochRefreshFrequencyNs: 1_200_000_000_000n,
  fullCheckpointFrequency: 7,
  cleanupSafetyMarginNs: 14_400_000_000_000n,
  minEpochDurationNs: 86_400_000_000_000n,
  epochAdvanceOnCountThreshold: 20,
  epochAdvanceOnTotalSizeBytesThreshold: 10_485_760,
  deleteParallelism: 4,
}

const format: RepositoryFormat = {
  uniqueId: Buffer.alloc(32),
  version: 3,
  hash: 'test',
  encryption: 'test',
  ecc: '',
  eccOverheadPercent: 0,
  secret: Buffer.alloc(32),
  masterKey: Buffer.alloc(32),
  maxPackSizeBytes: 20 << 20,
  indexVersion: 2,
  epochs: defaultEpochs,
  enablePasswordChange: true,
  splitter: '',
  requiredFeatures: [],
}

export interface TestContext extends IndexBlobContext {
  readonly clock: TestClock
  readonly blobs: Map<string, StoredBlob>
}

/** A context over memory. Contexts that share `blobs` and `clock` are clients of one storage. */
export function testContext(over: Partial<TestContext> & { readonly formatOver?: Partial<RepositoryFormat> } = {}): TestContext {
  const clock = over.clock ?? new TestClock()
  const blobs = over.blobs ?? new Map<string, StoredBlob>()
  return { clock, blobs, storage: memoryStorage(clock, blobs), hasher, cipher, format: { ...format, ...over.formatOver }, ...over }
}

export const withoutEpochs = { epochs: { ...defaultEpochs, enabled: false }, version: 1, indexVersion: 1 as const }

/** A storage whose calls can be watched and delayed: `before` runs ahead of each. */
export function watched(
  storage: BlobStorage,
  before: (call: 'get' | 'put' | 'delete' | 'list', id: string) => void | Promise<void>,
): BlobStorage {
  return {
    ...storage,
    backend: storage.backend,
    displayName: storage.displayName,
    connection: storage.connection,
    extras: storage.extras,
    async get(id, range) {
      await before('get', id)
      return storage.get(id, range)
    },
    stat: (id) => storage.stat(id),
    async *list(prefix) {
      await before('list', prefix)
      yield* storage.list(prefix)
    },
    async put(id, parts, options) {
      await before('put', id)
      return storage.put(id, parts, options)
    },
    async delete(id) {
      await before('delete', id)
      return storage.delete(id)
    },
    close: () => storage.close(),
  }
}

export const idOf = (n: number): string => n.toString(16).padStart(32, '0')

/** One index file with one record. */
export const shardOf = (n: number, over: Partial<ContentInfo> = {}, version: 1 | 2 = 2): Buffer =>
  buildIndex([row(idOf(n), version === 1 ? { formatVersion: 1, ...over } : over)], version)[0] as Buffer

/** Loads an active set as a reader does. */
export async function loadSet(context: IndexBlobContext, active: ActiveIndexBlobs): Promise<IndexSet> {
  return new IndexSet(await new SealedIndexes(context).loadAll(active.blobs), active.watermarkSeconds)
}

/** `add` names with empty bodies. */
export async function putNames(context: IndexBlobContext, names: Iterable<string>): Promise<void> {
  for (const name of names) await context.storage.put(name, [])
}
