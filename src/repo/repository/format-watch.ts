import type { Clock } from '#base/clock.ts'
import { derivePasswordKey } from '#repo/crypto/keys.ts'
import { noRetention, openBlobConfig } from '#repo/format/blob-config.ts'
import { UpgradeInProgressError } from '#repo/format/errors.ts'
import { checkRequiredFeatures } from '#repo/format/features.ts'
import { decodeInner, parseFormatBlob } from '#repo/format/format-blob.ts'
import type { BlobRetention, RepositoryFormat } from '#repo/format/repository-format.ts'
import { isLocked } from '#repo/format/upgrade-lock.ts'
import type { CentralBlobs, FormatBlobCache } from './format-blob-cache.ts'

/** How the format key comes from the password (spec 01, 1.4): algorithm name, password, salt. */
export type KeyDerivation = (algorithm: string, password: string, salt: Uint8Array) => Promise<Buffer>

export interface FormatWatchOptions {
  readonly cache: FormatBlobCache
  readonly clock: Clock
  readonly ages: { readonly firstMs: number; readonly laterMs: number }
  readonly warn: (message: string) => void
  readonly upgradeOwnerId?: string | undefined
  /** Neither features nor upgrade lock are looked at (spec 01, 1.14). */
  readonly permissive?: boolean | undefined
  readonly ignoreMissingFeatures?: boolean | undefined
  readonly deriveKey?: KeyDerivation | undefined
  /** Called once the derivation is under way. */
  readonly onKeyDerivation?: (() => void) | undefined
}

interface Opened {
  readonly format: RepositoryFormat
  readonly retention: BlobRetention
  readonly blobs: CentralBlobs
}

/** The repository's format while it is open: read again from storage when it has grown old, so that an upgrade lock, new retention or new
 *  required features are noticed in time. Source: spec 01, 1.12–1.14. */
export class FormatWatch {
  #opened: Opened
  #reloading: Promise<void> | undefined

  private constructor(
    private readonly options: FormatWatchOptions,
    readonly formatKey: Buffer,
    opened: Opened,
  ) {
    this.#opened = opened
  }

  /** Reads and decrypts the central blobs. Cached copies that do not open are read again from the storage: the password may have been changed,
   *  or the copy is damaged. Throws NotARepositoryError, WrongPasswordError, and the errors of damaged or unsupported formats. */
  static async open(options: FormatWatchOptions, password: string): Promise<FormatWatch> {
    const blobs = await options.cache.load(options.ages.firstMs)
    try {
      return await FormatWatch.#openWith(options, password, blobs)
    } catch (error) {
      if (!blobs.cached) throw error
      return FormatWatch.#openWith(options, password, await options.cache.load(0))
    }
  }

  static async #openWith(options: FormatWatchOptions, password: string, blobs: CentralBlobs): Promise<FormatWatch> {
    const outer = parseFormatBlob(blobs.repository)
    const deriving = (options.deriveKey ?? derivePasswordKey)(outer.keyAlgorithm, password, outer.uniqueId)
    deriving.catch(() => undefined)
    options.onKeyDerivation?.()
    const formatKey = await deriving
    return new FormatWatch(options, formatKey, decrypt(blobs, formatKey))
  }

  get format(): RepositoryFormat {
    return this.#opened.format
  }

  get retention(): BlobRetention {
    return this.#opened.retention
  }

  get formatBlob(): Buffer {
    return this.#opened.blobs.repository
  }

  /** Whether another client's upgrade keeps us out now. */
  get locked(): boolean {
    const { upgradeLock } = this.format
    if (this.options.permissive || !upgradeLock || upgradeLock.ownerId === this.options.upgradeOwnerId) return false
    return isLocked(upgradeLock, this.options.clock.nowNs())
  }

  /** Warns of features that we do not have; throws RequiredFeatureError for one that we must have. */
  checkFeatures(): void {
    if (this.options.permissive || this.options.ignoreMissingFeatures) return
    for (const warning of checkRequiredFeatures(this.format.requiredFeatures)) this.options.warn(warning)
  }

  /** To be awaited before storage is used: undefined while all is well, else a promise that fails with UpgradeInProgressError, with an error
   *  about a required feature, or because the format cannot be read again. */
  check(): Promise<void> | undefined {
    const ageMs = this.options.clock.nowMs() - this.#opened.blobs.loadedMs
    if (ageMs < 0 || ageMs >= this.options.ages.laterMs) return this.reload().then(() => this.#refuseIfLocked())
    return this.locked ? this.#refuseIfLocked() : undefined
  }

  /** Reads the central blobs again from the storage. Calls at the same time share one reading. */
  reload(): Promise<void> {
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = undefined
    })
    return this.#reloading
  }

  /** Drops the copies in memory and in the cache folder, and reads the blobs again. */
  async forget(): Promise<void> {
    await this.options.cache.forget()
    await this.reload()
  }

  async #reload(): Promise<void> {
    this.#opened = decrypt(await this.options.cache.load(0), this.formatKey)
    this.checkFeatures()
  }

  async #refuseIfLocked(): Promise<void> {
    if (this.locked) throw new UpgradeInProgressError()
  }
}

function decrypt(blobs: CentralBlobs, formatKey: Buffer): Opened {
  const outer = parseFormatBlob(blobs.repository)
  const format = decodeInner(outer, formatKey)
  const retention = blobs.retention ? openBlobConfig(blobs.retention, formatKey, outer.uniqueId) : noRetention
  return { format, retention, blobs }
}
