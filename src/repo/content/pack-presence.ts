import { BlobNotFoundError } from '#repo/blob/errors.ts'
import type { BlobId, BlobReader } from '#repo/blob/storage.ts'

/** So many packs are looked for one by one before all are listed: small runs in large repositories stay cheap. */
const maxSingleLooks = 16

/** Which pack blobs are known to be in storage: listed once, when more than a few are asked for, and kept up to date with own uploads.
 *  Packs that other clients stored later are looked for one by one. */
export class PackPresence {
  readonly #present = new Set<BlobId>()
  readonly #absent = new Set<BlobId>()
  #listed: Promise<void> | undefined
  #singleLooks = 0

  constructor(private readonly storage: BlobReader) {}

  add(pack: BlobId): void {
    this.#present.add(pack)
    this.#absent.delete(pack)
  }

  /** Packs that were absent may have come since. */
  forgetAbsent(): void {
    this.#absent.clear()
  }

  /** Undefined when storage has to be asked. */
  known(pack: BlobId): boolean | undefined {
    if (this.#present.has(pack)) return true
    return this.#absent.has(pack) ? false : undefined
  }

  async has(pack: BlobId): Promise<boolean> {
    const seen = this.known(pack)
    if (seen !== undefined) return seen
    if (this.#singleLooks++ >= maxSingleLooks) {
      this.#listed ??= this.#list().catch((error: unknown) => {
        this.#listed = undefined
        throw error
      })
      await this.#listed
      const listed = this.known(pack)
      if (listed !== undefined) return listed
    }
    try {
      await this.storage.stat(pack)
      this.add(pack)
      return true
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error
      this.#absent.add(pack)
      return false
    }
  }

  async #list(): Promise<void> {
    await Promise.all(
      ['p', 'q'].map(async (prefix) => {
        for await (const { id } of this.storage.list(prefix)) this.#present.add(id)
      }),
    )
  }
}
