import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { KuraError } from '#base/errors.ts'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { type ContentId, identityOf, parseContentId } from '#repo/content/content-id.ts'
import type { ContentInfo } from '#repo/content/content-info.ts'
import { uncompactedOf } from '#repo/content/epoch/names.ts'
import { buildIndex } from '#repo/content/index/build.ts'
import { sealBlob } from '#repo/crypto/blob-sealing.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { createRepository } from '#repo/repository/create.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { fastKey } from './fast-key.ts'
import { openFolder } from './open-fixture.ts'

const password = 'open sesame'

/** A repository in a folder, whose keys the test knows: whatever it puts there looks as if a client had written it. */
export class HostileRepository {
  readonly warnings: string[] = []
  #repository: DirectRepository | undefined
  readonly #rows: ContentInfo[] = []

  private constructor(
    readonly path: string,
    private readonly writer: DirectRepository,
    /** An object that has nothing to do with what the test plants, and its bytes. */
    readonly good: { readonly id: ObjectId; readonly data: Buffer },
  ) {}

  static async create(path: string): Promise<HostileRepository> {
    const storage = await filesystemBackend.open(filesystemOptions(path), true)
    await createRepository(storage, { deriveKey: fastKey }, password)
    await storage.close()
    const writer = await openFolder(path, password, { deriveKey: fastKey, client: { readOnly: false } })
    const data = randomBytes(100_000)
    const object = writer.objects.createWriter({
      prefix: '',
      description: 'good',
      splitter: '',
      compressor: '',
      metadataCompressor: '',
    } as never)
    await object.write(data)
    const id = await object.finish()
    await writer.flush()
    return new HostileRepository(path, writer, { id, data })
  }

  /** Stores a blob under any name. */
  async putBlob(id: string, data: Uint8Array): Promise<void> {
    await this.writer.blobs.put(id, [data])
  }

  /** Stores any bytes as an index blob of the epoch in force. */
  async putIndex(bytes: Uint8Array): Promise<string> {
    const { id, data } = sealBlob(this.writer.hasher, this.writer.cipher, '', bytes, `${randomBytes(8).toString('hex')}-c1`)
    await this.putBlob(uncompactedOf(0) + id, data)
    return uncompactedOf(0) + id
  }

  /** Plants a content under an ID of the test's choice. `over` replaces what the index says of it. */
  async plant(id: string, plain: Uint8Array, over: Partial<ContentInfo> = {}): Promise<ContentId> {
    const content = parseContentId(id)
    const sealed = this.writer.cipher.seal(plain, identityOf(content))
    const packBlob = `${content.length % 2 === 1 ? 'q' : 'p'}${randomBytes(16).toString('hex')}-s0123456789abcdef01`
    await this.putBlob(packBlob, sealed)
    this.#rows.push({
      id: content,
      packBlob,
      packOffset: 0,
      packedLength: sealed.length,
      originalLength: plain.length,
      timestampSeconds: 1_700_000_000,
      deleted: false,
      compressionHeader: 0,
      formatVersion: 3,
      encryptionKeyId: 0,
      ...over,
    })
    return content
  }

  /** A content whose stored bytes are `stream` behind the compression header, and which claims to be `originalLength` long. */
  plantCompressed(id: string, header: number, stream: Uint8Array, originalLength: number): Promise<ContentId> {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(header)
    return this.plant(id, Buffer.concat([head, stream]), { compressionHeader: header, originalLength })
  }

  /** Opens for reading, with what was planted so far. */
  async open(): Promise<DirectRepository> {
    for (const file of this.#rows.length > 0 ? buildIndex(this.#rows.splice(0), 2) : []) await this.putIndex(file)
    await this.#repository?.close()
    this.#repository = await openFolder(this.path, password, { deriveKey: fastKey, warn: (text) => this.warnings.push(text) })
    return this.#repository
  }

  async close(): Promise<void> {
    await this.#repository?.close()
    await this.writer.close()
  }
}

export const pipe = (path: string): void => void execFileSync('mkfifo', [path])

/** Waits for a failure and gives it back, if it is one that Kura throws on purpose; else says what came instead. */
export async function failure(work: Promise<unknown> | (() => unknown)): Promise<KuraError> {
  let value: unknown
  try {
    value = await (typeof work === 'function' ? work() : work)
  } catch (error) {
    if (error instanceof KuraError) return error
    throw new Error(`not an error of Kura: ${String(error)}`, { cause: error })
  }
  throw new Error(`no failure, but ${String(value).slice(0, 200)}`)
}
