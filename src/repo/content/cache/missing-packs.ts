import type { Clock } from '#base/clock.ts'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import type { BlobId, BlobInfo, BlobStorage, ByteRange } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'

/** How long a pack that was not there is not asked for again: whoever goes through a damaged snapshot would ask for it at every file. */
const rememberMs = 10_000
const maxRemembered = 10_000

/** Packs that storage did not have when it was last asked. */
export class MissingPacks {
  /** The oldest first. */
  readonly #untilMs = new Map<BlobId, number>()

  constructor(private readonly clock: Clock) {}

  has(pack: BlobId): boolean {
    const untilMs = this.#untilMs.get(pack)
    if (untilMs === undefined) return false
    const leftMs = untilMs - this.clock.nowMs()
    if (leftMs > 0 && leftMs <= rememberMs) return true
    this.#untilMs.delete(pack)
    return false
  }

  add(pack: BlobId): void {
    this.#untilMs.delete(pack)
    for (const oldest of this.#untilMs.keys()) {
      if (this.#untilMs.size < maxRemembered) break
      this.#untilMs.delete(oldest)
    }
    this.#untilMs.set(pack, this.clock.nowMs() + rememberMs)
  }

  /** The storage as it is, except that what is remembered is not asked for: BlobNotFoundError at once. */
  guard(storage: BlobStorage): BlobStorage {
    return new GuardedPacks(storage, this)
  }
}

class GuardedPacks extends ForwardingStorage {
  constructor(
    inner: BlobStorage,
    private readonly missing: MissingPacks,
  ) {
    super(inner)
  }

  override async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    if (this.missing.has(id)) throw new BlobNotFoundError(id)
    return this.inner.get(id, range)
  }

  override async stat(id: BlobId): Promise<BlobInfo> {
    if (this.missing.has(id)) throw new BlobNotFoundError(id)
    return this.inner.stat(id)
  }
}
