import type { Clock } from '#base/clock.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { ContentStore } from '#repo/content/store.ts'
import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import type { BlobRetention, RepositoryFormat } from '#repo/format/repository-format.ts'
import type { ManifestStore } from '#repo/manifest/manifest.ts'
import type { ObjectManager } from '#repo/object/object.ts'

/** Who we are in the repository and what the connection allows (spec 01, 1.21). */
export interface ClientOptions {
  readonly hostname: string
  readonly username: string
  readonly readOnly: boolean
  readonly description: string
  readonly enableActions: boolean
}

/** What snapshots, policies and the mount need, whether the repository is opened directly or through a server. */
export interface Repository extends AsyncDisposable {
  readonly client: ClientOptions
  readonly clock: Clock
  readonly objects: ObjectManager
  readonly manifests: ManifestStore
  /** Sees what other clients have written. */
  refresh(): Promise<void>
  /** Manifests, then contents (spec 02, 2.8). Everything written before is durable when it resolves. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** A repository whose storage we talk to ourselves. */
export interface DirectRepository extends Repository {
  readonly uniqueId: Buffer
  readonly configFile: string
  readonly blobs: BlobStorage
  readonly contents: ContentStore
  readonly format: RepositoryFormat
  readonly retention: BlobRetention
  readonly hasher: Hasher
  readonly cipher: Cipher
  /** Absolute, or undefined when caching is off. */
  readonly cacheDirectory: string | undefined
  /** Key of the central blobs, derived from the password (spec 01, 1.15). Secret. */
  readonly formatKey: Buffer
  /** `kopia.repository` as it was last read. */
  readonly formatBlob: Buffer
  /** Drops every copy of the central blobs, so that the next use reads them again: for whoever has just rewritten them. */
  forgetFormat(): Promise<void>
}

export const isDirect = (r: Repository): r is DirectRepository => 'contents' in r
