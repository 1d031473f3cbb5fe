import type { Clock } from '#base/clock.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { DirectContentStore } from '#repo/content/direct-content-store.ts'
import { type ContentStoreOptions, openContentStore } from '#repo/content/direct-store.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { createHasher } from '#repo/crypto/hash.ts'
import type { RepositoryFormat } from '#repo/format/repository-format.ts'

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  constructor(public ms = Date.UTC(2026, 0, 1)) {}
  nowMs = (): number => this.ms
  nowNs = (): bigint => BigInt(this.ms) * 1_000_000n
}

export const testFormat: RepositoryFormat = {
  uniqueId: Buffer.alloc(32, 7),
  version: 3,
  hash: 'BLAKE2B-256-128',
  encryption: 'AES256-GCM-HMAC-SHA256',
  ecc: '',
  eccOverheadPercent: 0,
  secret: Buffer.alloc(32, 1),
  masterKey: Buffer.alloc(32, 2),
  maxPackSizeBytes: 20 * 1024 * 1024,
  indexVersion: 2,
  epochs: {
    enabled: true,
    epochRefreshFrequencyNs: 1_200_000_000_000n,
    fullCheckpointFrequency: 7,
    cleanupSafetyMarginNs: 14_400_000_000_000n,
    minEpochDurationNs: 86_400_000_000_000n,
    epochAdvanceOnCountThreshold: 20,
    epochAdvanceOnTotalSizeBytesThreshold: 10_485_760,
    deleteParallelism: 4,
  },
  enablePasswordChange: true,
  splitter: 'DYNAMIC-4M-BUZHASH',
  requiredFeatures: [],
}

export async function openTestStore(
  storage: BlobStorage = memoryStorage(),
  options: Partial<ContentStoreOptions> = {},
): Promise<DirectContentStore> {
  const format = options.format ?? testFormat
  return openContentStore({
    storage,
    format,
    hasher: await createHasher(format.hash, format.secret),
    cipher: createCipher(format),
    client: { hostname: 'box', username: 'alice' },
    cache: {},
    warn: (message) => {
      throw new Error(`unexpected warning: ${message}`)
    },
    ...options,
  })
}

export const data = (text: string, prefix = '', compressionHeader = 0) => ({ prefix, data: Buffer.from(text), compressionHeader })

export async function namesOf(storage: BlobStorage, prefix = ''): Promise<string[]> {
  const names: string[] = []
  for await (const { id } of storage.list(prefix)) names.push(id)
  return names.sort()
}
