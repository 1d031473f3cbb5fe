import { UsageError } from '#base/errors.ts'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import type { BlobId, BlobStorage, PutOptions } from '#repo/blob/storage.ts'
import { defaultKeyAlgorithm, derivePasswordKey } from '#repo/crypto/keys.ts'
import { blobConfigId, checkRetention, noRetention, sealBlobConfig } from '#repo/format/blob-config.ts'
import { formatBlobId, sealFormatBlob } from '#repo/format/format-blob.ts'
import { buildNewFormat, type NewFormatOptions } from '#repo/format/new-format.ts'
import type { BlobRetention } from '#repo/format/repository-format.ts'
import { splitterByName, splitterNames } from '#repo/object/splitter/registry.ts'
import { AlreadyExistsError } from './errors.ts'
import type { KeyDerivation } from './format-watch.ts'

export interface NewRepositoryOptions extends NewFormatOptions {
  /** Default `scrypt-65536-8-1`. */
  readonly keyAlgorithm?: string
  readonly retention?: BlobRetention
  /** Replaces the password key derivation, as in OpenSettings. */
  readonly deriveKey?: KeyDerivation
}

const tool = 'kura'
const buildVersion = '0.1.0'

/** Throws AlreadyExistsError when the storage holds any blob at all: nobody wants a repository among other data. Source: spec 01, 1.8. */
export async function requireEmpty(storage: BlobStorage): Promise<void> {
  for await (const _ of storage.list('')) throw new AlreadyExistsError('found existing data in storage location')
}

/** Makes a repository in a storage: retention settings first, then the format blob, which is what makes the repository exist. Throws
 *  AlreadyExistsError, UsageError (empty password, unknown splitter), InvalidFormatError, UnknownAlgorithmError, and the storage's errors.
 *  Source: spec 01, 1.8. */
export async function createRepository(storage: BlobStorage, options: NewRepositoryOptions, password: string): Promise<void> {
  if (password === '') throw new UsageError('the password of a repository must not be empty')
  const format = buildNewFormat(options)
  if (!splitterByName(format.splitter)) {
    throw new UsageError(`unknown splitter "${format.splitter}". Known splitters: ${splitterNames.join(', ')}.`)
  }
  const retention = options.retention ?? noRetention
  checkRetention(retention)
  const keyAlgorithm = options.keyAlgorithm || defaultKeyAlgorithm
  // The slow derivation runs while the storage is asked.
  const [formatKey] = await Promise.all([
    (options.deriveKey ?? derivePasswordKey)(keyAlgorithm, password, format.uniqueId),
    requireNoRepository(storage),
  ])
  const outer = { tool, buildVersion, buildInfo: '', uniqueId: format.uniqueId, keyAlgorithm, unknown: {} }
  const puts: PutOptions = retention.mode === '' ? {} : { retention }
  await storage.put(blobConfigId, [sealBlobConfig(retention, formatKey, format.uniqueId)], puts)
  await storage.put(formatBlobId, [sealFormatBlob(format, outer, formatKey)], puts)
}

async function requireNoRepository(storage: BlobStorage): Promise<void> {
  if (await exists(storage, formatBlobId)) throw new AlreadyExistsError('repository already initialized')
  if (await exists(storage, blobConfigId))
    throw new AlreadyExistsError(`the storage holds ${blobConfigId} but no ${formatBlobId}: the format blob of a repository has been lost`)
}

async function exists(storage: BlobStorage, id: BlobId): Promise<boolean> {
  try {
    await storage.stat(id)
    return true
  } catch (error) {
    if (error instanceof BlobNotFoundError) return false
    throw error
  }
}
