import { systemClock } from '#base/clock.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { CacheOptions } from '#repo/content/cache/cache-options.ts'
import { openContentStore } from '#repo/content/direct-store.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { createHasher } from '#repo/crypto/hash.ts'
import { openManifestStore } from '#repo/manifest/store.ts'
import { createObjectManager } from '#repo/object/manager.ts'
import type { CachingOptions } from './caching-options.ts'
import type { ContentLog } from './content-log.ts'
import { OpenedRepository } from './direct.ts'
import type { FormatWatch } from './format-watch.ts'
import type { DirectOptions } from './open.ts'
import type { ClientOptions, DirectRepository } from './repository.ts'

export interface Composition {
  readonly options: DirectOptions
  readonly formats: FormatWatch
  readonly client: ClientOptions
  /** The whole stack of wrappers. */
  readonly blobs: BlobStorage
  readonly cacheDirectory: string | undefined
  readonly contentLog: ContentLog | undefined
}

/** Builds the layers of a repository on an opened format: hash and cipher, contents, objects, manifests. Loads the indexes. */
export async function compose({ options, formats, client, blobs, cacheDirectory, contentLog }: Composition): Promise<DirectRepository> {
  const { clock = systemClock, warn = () => undefined, permissive = false, autoRefresh = true } = options
  const { format } = formats
  const hasher = await createHasher(format.hash, format.secret)
  const cipher = createCipher(format)
  // Spec 01, 1.12 step 2: what cannot seal and open an empty content will not do better with a full one.
  const identity = Buffer.alloc(16)
  cipher.open(cipher.seal(Buffer.alloc(0), identity), identity)
  const contents = await openContentStore({
    storage: blobs,
    format,
    hasher,
    cipher,
    formatBlobBytes: formats.formatBlob,
    formatKey: formats.formatKey,
    clock,
    client,
    cache: cacheOptionsOf(options.caching),
    permissive,
    autoRefresh,
    warn,
  })
  const objects = createObjectManager({ contents, format })
  const manifests = openManifestStore({ contents, clock, readOnly: client.readOnly })
  const configFile = options.configFile ?? ''
  contentLog?.attach({ blobs, hasher, cipher })
  return new OpenedRepository({
    client,
    clock,
    configFile,
    blobs,
    contents,
    objects,
    manifests,
    hasher,
    cipher,
    cacheDirectory,
    formats,
    contentLog,
  })
}

const cacheOptionsOf = (caching: CachingOptions | undefined): CacheOptions =>
  caching?.cacheDirectory
    ? {
        directory: caching.cacheDirectory,
        contentBytes: caching.maxCacheSizeBytes,
        contentLimitBytes: caching.contentCacheSizeLimitBytes,
        metadataBytes: caching.maxMetadataCacheSizeBytes,
        metadataLimitBytes: caching.metadataCacheSizeLimitBytes,
        listSeconds: caching.maxListCacheDurationSeconds,
        minContentSweepAgeSeconds: caching.minContentSweepAgeSeconds,
        minMetadataSweepAgeSeconds: caching.minMetadataSweepAgeSeconds,
        minIndexSweepAgeSeconds: caching.minIndexSweepAgeSeconds,
      }
    : {}
