import { createHash, randomBytes } from 'node:crypto'
import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '#base/clock.ts'
import { KuraError } from '#base/errors.ts'
import { parseLosslessJson } from '#base/go-json.ts'
import type { Labels, ManifestInfo } from '#repo/manifest/manifest.ts'
import type { ObjectId, ObjectReader } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import type { NewDirectoryEntry } from '#snapshot/model/entry-json.ts'
import { encodeSnapshot } from '#snapshot/model/manifest-json.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'

class NotFoundError extends KuraError {
  constructor(readonly code: string) {
    super('not found')
  }
}

const segmentBytes = 4 << 20
const emptySummary = {
  totalBytes: 0,
  fileCount: 0,
  symlinkCount: 0,
  directoryCount: 0,
  maxTimeNs: 0n,
  fatalErrorCount: 0,
  ignoredErrorCount: 0,
  errors: [],
}

/** A repository whose objects are the files of a local folder, read when they are asked for: as a real one without the cryptography. */
export class FolderRepository {
  readonly objects = new Map<string, Buffer | { readonly path: string }>()
  readonly manifests = new Map<string, { readonly info: ManifestInfo; readonly json: string }>()
  /** Objects that cannot be read. */
  readonly broken = new Set<string>()
  /** Loads of parts, by object. */
  readonly loads: string[] = []
  delayMs = 0

  /** Stores a directory tree; returns the entry of its root. */
  addTree(path: string, name = ''): NewDirectoryEntry {
    const found = lstatSync(path, { bigint: true })
    const base = {
      name,
      mode: Number(found.mode & 0o7777n),
      modifiedNs: found.mtimeNs,
      uid: Number(found.uid),
      gid: Number(found.gid),
    }
    if (found.isSymbolicLink()) {
      const target = readlinkSync(path, { encoding: 'buffer' })
      return { ...base, type: 's', sizeBytes: target.length, objectId: this.addObject('', target) }
    }
    if (!found.isDirectory()) return { ...base, type: 'f', sizeBytes: Number(found.size), objectId: this.addFile(path, Number(found.size)) }
    const entries = readdirSync(path).map((child) => this.addTree(join(path, child), child))
    return {
      ...base,
      type: 'd',
      sizeBytes: 0,
      objectId: this.addObject('k', encodeDirectory(entries, emptySummary)),
      summary: emptySummary,
    }
  }

  addObject(prefix: string, bytes: Buffer): ObjectId {
    const id = prefix + createHash('md5').update(bytes).digest('hex')
    this.objects.set(id, bytes)
    return id as ObjectId
  }

  private addFile(path: string, sizeBytes: number): ObjectId {
    const id = (sizeBytes > segmentBytes ? 'I' : '') + createHash('md5').update(path).digest('hex')
    this.objects.set(id, { path })
    return id as ObjectId
  }

  addSnapshot(rootEntry: DirectoryEntry, source: Snapshot['source'], startNs: bigint, incomplete?: string): Snapshot {
    const zero = { totalBytes: 0, excludedBytes: 0, fileCount: 0, cachedFileCount: 0, nonCachedFileCount: 0, directoryCount: 0 }
    const stats = { ...zero, excludedFileCount: 0, excludedDirectoryCount: 0, ignoredErrorCount: 0, errorCount: 0 }
    const plain = { id: '', source, description: '', startNs, endNs: startNs, stats, rootEntry, tags: {}, pins: [] }
    const snapshot: Snapshot = incomplete === undefined ? plain : { ...plain, incomplete }
    const id = randomBytes(16).toString('hex')
    const labels = { type: 'snapshot', hostname: source.host, username: source.user, path: source.path }
    this.manifests.set(id, { info: { id, labels, modifiedNs: startNs, sizeBytes: 1 }, json: encodeSnapshot(snapshot) })
    return { ...snapshot, id }
  }

  private async open(id: ObjectId): Promise<ObjectReader> {
    if (this.broken.has(id)) throw new NotFoundError('OBJECT_NOT_FOUND')
    const stored = this.objects.get(id)
    if (stored === undefined) throw new NotFoundError('OBJECT_NOT_FOUND')
    const load = async (start: number, end: number): Promise<Buffer> => {
      if (this.broken.has(`${id}:${start}`)) throw new NotFoundError('CONTENT_NOT_FOUND')
      this.loads.push(`${id}:${start}`)
      if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs))
      return Buffer.isBuffer(stored) ? stored : readRange(stored.path, start, end)
    }
    const sizeBytes = Buffer.isBuffer(stored) ? stored.length : sizeOf(stored.path)
    const segmentAt = (offset: number): { start: number; end: number } => {
      if (!id.startsWith('I')) return { start: 0, end: sizeBytes }
      const start = offset - (offset % segmentBytes)
      return { start, end: Math.min(start + segmentBytes, sizeBytes) }
    }
    return {
      sizeBytes,
      segmentAt,
      loadSegment: (start) => load(start, segmentAt(start).end),
      read: async (into, offset) => {
        const bytes = await load(offset, Math.min(offset + into.length, sizeBytes))
        into.set(bytes)
        return bytes.length
      },
      close: () => undefined,
    }
  }

  get repository(): Repository {
    const fits = (labels: Labels) => (i: ManifestInfo) => Object.entries(labels).every(([key, value]) => i.labels[key] === value)
    const objects = {
      open: (id: ObjectId) => this.open(id),
      readAll: async (id: ObjectId) => {
        const reader = await this.open(id)
        return Buffer.from((await reader.loadSegment?.(0)) ?? new Uint8Array(0))
      },
    }
    const manifests = {
      find: async (labels: Labels) => [...this.manifests.values()].map((m) => m.info).filter(fits(labels)),
      get: async (id: string) => {
        const found = this.manifests.get(id)
        if (found === undefined) throw new NotFoundError('MANIFEST_NOT_FOUND')
        return { ...found, payload: parseLosslessJson(found.json) }
      },
    }
    const client = { hostname: 'host', username: 'user', readOnly: false, description: '', enableActions: false }
    const nothing = async (): Promise<void> => undefined
    return { client, clock: systemClock, objects, manifests, refresh: nothing, flush: nothing, close: nothing } as unknown as Repository
  }
}

function sizeOf(path: string): number {
  const fd = openSync(path, 'r')
  try {
    return fstatSync(fd).size
  } finally {
    closeSync(fd)
  }
}

function readRange(path: string, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(end - start)
  const fd = openSync(path, 'r')
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, start))
  } finally {
    closeSync(fd)
  }
}
