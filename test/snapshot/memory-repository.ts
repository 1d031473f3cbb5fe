import { execFileSync } from 'node:child_process'
import { isMainThread } from 'node:worker_threads'
import { afterAll } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { createRepository } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { defaultPolicy } from '#snapshot/policy/defaults.ts'
import type { Policy, PolicyTree } from '#snapshot/policy/policy.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import type { UploadObserver, UploadRequest, UploadResult } from '#snapshot/upload/request.ts'
import { uploadTree } from '#snapshot/upload/run.ts'
import { fastKey } from '../support/fast-key.ts'

const password = 'test-password'

export interface MemoryRepository {
  readonly repository: DirectRepository
  readonly blobs: Map<string, StoredBlob>
}

/** A new repository in memory; closed when the test file ends. `wrap` is put around the storage once the repository exists. */
export async function memoryRepository(
  options: { readonly splitter?: string; readonly wrap?: (inner: BlobStorage) => BlobStorage } = {},
): Promise<MemoryRepository> {
  const blobs = new Map<string, StoredBlob>()
  const { splitter = 'DYNAMIC-128K-BUZHASH', wrap = (s) => s } = options
  await createRepository(memoryStorage(undefined, blobs), { splitter, deriveKey: fastKey }, password)
  return { repository: await openAgain(blobs, wrap), blobs }
}

/** Another client of the same blobs. */
export async function openAgain(
  blobs: Map<string, StoredBlob>,
  wrap: (inner: BlobStorage) => BlobStorage = (s) => s,
): Promise<DirectRepository> {
  const client = { hostname: 'host', username: 'user' }
  const repository = await openRepositoryDirectly(wrap(memoryStorage(undefined, blobs)), password, { deriveKey: fastKey, client })
  afterAll(() => repository.close().catch(() => undefined))
  return repository
}

type Sections = { readonly [K in keyof Policy]?: Partial<Policy[K]> }

/** The default policy with some members changed. */
export function policyWith(change: Sections): Policy {
  const sections = Object.entries(change).map(([key, value]) => [
    key,
    { ...(defaultPolicy[key as keyof Policy] as object), ...(value as object) },
  ])
  return { ...defaultPolicy, ...Object.fromEntries(sections) }
}

/** `below`: policies of paths below the root, each used alone. */
export function policyTree(root: Policy, below: Readonly<Record<string, Policy>> = {}): PolicyTree {
  const node = (path: string, inherited: Policy): PolicyTree => {
    const effective = below[path] ?? inherited
    return {
      effective,
      isDefined: path === '' || below[path] !== undefined,
      child: (name) => node(path === '' ? name : `${path}/${name}`, effective),
    }
  }
  return node('', root)
}

export interface UploadChoices extends Partial<Omit<UploadRequest, 'policyTree'>> {
  readonly policy?: Sections
  readonly below?: Readonly<Record<string, Policy>>
  readonly observer?: UploadObserver
  readonly signal?: AbortSignal
}

/** Uploads a folder or file with the default policy. */
export async function upload(repository: DirectRepository, path: string, choices: UploadChoices = {}): Promise<UploadResult> {
  const { policy = {}, below, observer = {}, signal, ...rest } = choices
  const source = { user: 'user', host: 'host', path }
  const request = { source, localPath: path, previous: [], ...rest, policyTree: policyTree(policyWith(policy), below) }
  return uploadTree(repository, request, observer, signal)
}

/** Observer that lists what was read, taken over, and what failed. */
export class Watcher implements UploadObserver {
  readonly read: string[] = []
  readonly reused: string[] = []
  readonly failures: [path: string, ignored: boolean][] = []
  readonly left: string[] = []
  readonly notes: string[] = []
  readonly checkpoints: string[] = []
  hashing = (path: string) => void this.read.push(path)
  cached = (path: string) => void this.reused.push(path)
  failed = (path: string, _: unknown, ignored: boolean) => void this.failures.push([path, ignored])
  excluded = (path: string) => void this.left.push(path)
  note = (message: string) => void this.notes.push(message)
  checkpoint = (id: string) => void this.checkpoints.push(id)
}

export const rootOf = (snapshot: Snapshot): DirectoryEntry => {
  if (!snapshot.rootEntry) throw new Error('the snapshot has no root')
  return snapshot.rootEntry
}

/** Every entry of a snapshot by its path, as stored; the root is ''. */
export async function treeOf(repository: DirectRepository, root: DirectoryEntry): Promise<Map<string, DirectoryEntry>> {
  const found = new Map([['', root]])
  const open: [string, DirectoryEntry][] = [['', root]]
  for (let next = open.pop(); next; next = open.pop()) {
    const [path, entry] = next
    if (entry.type !== 'd') continue
    for (const child of (await readStoredDirectory(repository, entry.objectId as ObjectId)).entries) {
      const childPath = path === '' ? child.name : `${path}/${child.name}`
      found.set(childPath, child)
      open.push([childPath, child])
    }
  }
  return found
}

export async function contentOf(repository: DirectRepository, entry: DirectoryEntry | undefined): Promise<Buffer> {
  if (!entry) throw new Error('there is no such entry')
  return repository.objects.readAll(entry.objectId as ObjectId)
}

const ordinaryUser = 65_534
export const isRoot = process.getuid?.() === 0
/** Why a test as an ordinary user cannot run, or undefined. */
export const whyNoOrdinaryUser = isRoot && !isMainThread ? 'the test runner works with threads, which share one user' : undefined

/** Runs `work` as somebody who is not root. Files and folders that it needs must be theirs, see `ordinaryOwner`. */
export async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (!isRoot) return work()
  process.setegid?.(ordinaryUser)
  process.seteuid?.(ordinaryUser)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}

export const ordinaryOwner = isRoot ? ordinaryUser : (process.getuid?.() ?? 0)

/** Sets both times of a path to the nanosecond, links not followed; with a tool of the system where there is no addon. */
export function setTimeNs(path: Buffer, ns: bigint): void {
  const addon = nativeAddon()
  const rest = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  if (addon) {
    addon.setTimes(path, Number((ns - rest) / 1_000_000_000n), Number(rest))
    return
  }
  const size = ns < 0n ? -ns : ns
  const text = `@${ns < 0n ? '-' : ''}${size / 1_000_000_000n}.${String(size % 1_000_000_000n).padStart(9, '0')}`
  execFileSync('touch', ['-h', '-d', text, '--', path.toString()])
}
