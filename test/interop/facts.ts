import type { FixtureFacts } from '../support/fixtures.ts'

/** Facts as far as the tests look at them; absent where the fixture was not asked. */
export interface Facts extends FixtureFacts {
  readonly made: readonly string[]
  readonly status?: StatusFacts
  readonly snapshots?: readonly SnapshotFacts[]
  readonly manifests?: readonly { readonly id: string }[]
  readonly manifestBodies?: Readonly<Record<string, string>>
  readonly policies?: readonly PolicyFacts[]
  readonly effectivePolicies?: Readonly<Record<string, unknown>>
  readonly contents?: readonly { readonly contentID: string }[]
  readonly indexes?: readonly BlobFacts[]
  readonly indexesSuperseded?: readonly BlobFacts[]
  readonly blobs?: readonly BlobFacts[]
  readonly entries?: Readonly<Record<string, readonly EntryFacts[]>>
  readonly directoryObjects?: Readonly<Record<string, { readonly bytes: number; readonly sha256: string; readonly error?: string }>>
  readonly indirectObjects?: Readonly<Record<string, readonly { readonly s?: number; readonly l?: number; readonly o: string }[]>>
  readonly trees?: Readonly<Record<string, readonly TreeEntry[]>>
  readonly dataPacksLeftOut?: boolean
}

export interface StatusFacts {
  readonly uniqueIDHex: string
  readonly contentFormat: Readonly<Record<string, unknown>>
  readonly objectFormat: { readonly splitter: string }
  readonly blobRetention: unknown
}

export interface SnapshotFacts {
  readonly id: string
  readonly source: { readonly host: string; readonly userName: string; readonly path: string }
  readonly description: string
  readonly startTime: string
  readonly endTime: string
  readonly incomplete?: string
  readonly rootEntry?: { readonly name: string; readonly type: string; readonly obj: string }
  readonly stats: Readonly<Record<string, number>>
  readonly tags?: Readonly<Record<string, string>>
  readonly pins?: readonly string[]
  readonly retentionReason?: readonly string[]
}

export interface PolicyFacts {
  readonly id: string
  readonly target: { readonly host: string; readonly userName: string; readonly path: string }
}

export interface BlobFacts {
  readonly id: string
  readonly length: number
  readonly timestamp: string
}

export interface EntryFacts {
  readonly path: string
  readonly type: string
  readonly mode?: string
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
  readonly mtime?: string
  readonly obj: string
  readonly summ?: unknown
  readonly target?: string
  readonly sha256?: string
  readonly error?: string
  /** Bytes there are, where `size` says something else. */
  readonly lengthRead?: number
}

/** One line of a source tree (fixtures README, "Source trees and seeded data"). */
export interface TreeEntry {
  readonly path: string
  readonly pathBase64?: string
  readonly type: string
  readonly mode?: string
  readonly uid?: number
  readonly gid?: number
  readonly mtimeNs?: string
  readonly target?: string
  readonly content?: TreeContent
  readonly size?: number
  readonly data?: readonly { readonly offset: number; readonly with: TreeContent }[]
  readonly first?: number
  readonly last?: number
  readonly name?: string
  readonly text?: string
}

export interface TreeContent {
  readonly text?: string
  readonly base64?: string
  readonly gen?: string
  readonly seed?: number | string
  readonly size?: number
  readonly patch?: readonly { readonly offset: number; readonly with: TreeContent }[]
  readonly append?: readonly TreeContent[]
}

/** All 52 fixture repositories, by name. */
export const everyFixture = [
  'default',
  'hash-blake2b-256',
  'hash-blake2s-128',
  'hash-blake2s-256',
  'hash-blake3-256',
  'hash-blake3-256-128',
  'hash-hmac-sha224',
  'hash-hmac-sha256',
  'hash-hmac-sha256-128',
  'hash-hmac-sha3-224',
  'hash-hmac-sha3-256',
  'encryption-aes256-gcm-hmac-sha256',
  'encryption-chacha20-poly1305-hmac-sha256',
  'key-derivation-pbkdf2',
  'splitters',
  'compressors',
  'ecc-2',
  'ecc-10',
  'format-v1',
  'format-v1-index-v2',
  'format-v2',
  'upgraded-v1-to-v3',
  'upgraded-v1-set-parameters',
  'upgrade-locked',
  'epochs',
  'index-v0-compaction',
  'maintained',
  'deleted-snapshots',
  'content-rewritten',
  'undeleted',
  'incomplete',
  'incomplete-checkpoint',
  'errors',
  'stdin',
  'sources',
  'retention',
  'large-directory',
  'deep-tree',
  'double-indirect',
  'parallel-upload',
  'users-acl',
  'notifications',
  'password-changed',
  'password-odd',
  'shards-flat',
  'shards-custom',
  'created-only',
  'fresh',
  'feature-required',
  'feature-warning',
  'history',
  'many-manifests',
] as const
