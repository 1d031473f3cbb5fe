import { createHash, randomBytes } from 'node:crypto'
import { systemClock } from '#base/clock.ts'
import { KuraError } from '#base/errors.ts'
import { parseLosslessJson } from '#base/go-json.ts'
import type { Labels, ManifestInfo, ManifestStore } from '#repo/manifest/manifest.ts'
import type { ObjectId, ObjectManager } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'

class FakeNotFoundError extends KuraError {
  constructor(
    readonly code: string,
    what: string,
  ) {
    super(`${what} not found`)
  }
}

/** Manifests in memory; times of modification count up by one. */
export class FakeManifests implements ManifestStore {
  readonly stored = new Map<string, { info: ManifestInfo; json: string }>()
  #clock = 0n

  add(id: string, labels: Labels, json: string, modifiedNs: bigint = ++this.#clock): void {
    this.stored.set(id, { info: { id, labels, modifiedNs, sizeBytes: Buffer.byteLength(json) }, json })
  }
  async get(id: string) {
    const found = this.stored.get(id)
    if (!found) throw new FakeNotFoundError('MANIFEST_NOT_FOUND', `manifest ${id}`)
    return { ...found, payload: parseLosslessJson(found.json) }
  }
  async find(labels: Labels) {
    return [...this.stored.values()]
      .map((m) => m.info)
      .filter((i) => Object.entries(labels).every(([k, v]) => i.labels[k] === v))
      .sort((a, b) => Number(a.modifiedNs - b.modifiedNs))
  }
  async put(labels: Labels, json: string) {
    const id = randomBytes(16).toString('hex')
    this.add(id, labels, json)
    return id
  }
  async delete(id: string) {
    this.stored.delete(id)
  }
  async replace(labels: Labels, json: string) {
    for (const { id } of await this.find(labels)) this.stored.delete(id)
    return this.put(labels, json)
  }
  async compact() {}
  async flush() {}
}

/** Whole objects in memory. Only what readers of trees call. */
export class FakeObjects {
  readonly stored = new Map<string, Buffer>()

  add(id: string, data: Buffer): void {
    this.stored.set(id, data)
  }
  put(prefix: string, data: Buffer): ObjectId {
    const id = prefix + createHash('md5').update(data).digest('hex')
    this.add(id, data)
    return id as ObjectId
  }
  async readAll(id: ObjectId): Promise<Buffer> {
    const data = this.stored.get(id)
    if (!data) throw new FakeNotFoundError('OBJECT_NOT_FOUND', `object ${id}`)
    return data
  }
  async open(id: ObjectId) {
    const data = await this.readAll(id)
    return { sizeBytes: data.length, read: async () => 0, close: () => undefined }
  }
}

export interface FakeRepository {
  readonly repository: Repository
  readonly manifests: FakeManifests
  readonly objects: FakeObjects
}

export function fakeRepository(): FakeRepository {
  const manifests = new FakeManifests()
  const objects = new FakeObjects()
  const nothing = async () => undefined
  const repository: Repository = {
    client: { hostname: 'laptop', username: 'alice', readOnly: false, description: '', enableActions: false },
    clock: systemClock,
    objects: objects as unknown as ObjectManager,
    manifests,
    refresh: nothing,
    flush: nothing,
    close: nothing,
    [Symbol.asyncDispose]: nothing,
  }
  return { repository, manifests, objects }
}
