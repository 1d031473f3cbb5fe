import type { Clock } from '#base/clock.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { ContentStore } from '#repo/content/store.ts'
import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import type { BlobRetention, RepositoryFormat } from '#repo/format/repository-format.ts'
import type { ManifestStore } from '#repo/manifest/manifest.ts'
import type { ObjectManager } from '#repo/object/object.ts'
import type { ContentLog } from './content-log.ts'
import type { FormatWatch } from './format-watch.ts'
import type { ClientOptions, DirectRepository } from './repository.ts'

export interface DirectRepositoryParts {
  readonly client: ClientOptions
  readonly clock: Clock
  readonly configFile: string
  readonly blobs: BlobStorage
  readonly contents: ContentStore
  readonly objects: ObjectManager
  readonly manifests: ManifestStore
  readonly hasher: Hasher
  readonly cipher: Cipher
  readonly cacheDirectory: string | undefined
  readonly formats: FormatWatch
  readonly contentLog?: ContentLog | undefined
}

/** A repository whose storage this process talks to itself. Made by openRepository. */
export class OpenedRepository implements DirectRepository {
  readonly client: ClientOptions
  readonly clock: Clock
  readonly configFile: string
  readonly blobs: BlobStorage
  readonly contents: ContentStore
  readonly objects: ObjectManager
  readonly manifests: ManifestStore
  readonly hasher: Hasher
  readonly cipher: Cipher
  readonly cacheDirectory: string | undefined
  readonly #formats: FormatWatch
  readonly #contentLog: ContentLog | undefined
  #closed: Promise<void> | undefined

  constructor(parts: DirectRepositoryParts) {
    this.client = parts.client
    this.clock = parts.clock
    this.configFile = parts.configFile
    this.blobs = parts.blobs
    this.contents = parts.contents
    this.objects = parts.objects
    this.manifests = parts.manifests
    this.hasher = parts.hasher
    this.cipher = parts.cipher
    this.cacheDirectory = parts.cacheDirectory
    this.#formats = parts.formats
    this.#contentLog = parts.contentLog
  }

  get uniqueId(): Buffer {
    return this.format.uniqueId
  }

  get format(): RepositoryFormat {
    return this.#formats.format
  }

  get retention(): BlobRetention {
    return this.#formats.retention
  }

  get formatKey(): Buffer {
    return this.#formats.formatKey
  }

  get formatBlob(): Buffer {
    return this.#formats.formatBlob
  }

  forgetFormat(): Promise<void> {
    return this.#formats.forget()
  }

  async refresh(): Promise<void> {
    await this.contents.refresh()
  }

  async flush(): Promise<void> {
    await this.manifests.flush()
    await this.contents.flush()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.contents.close()
    } finally {
      await this.#contentLog?.end()
      await this.blobs.close()
    }
  }
}
