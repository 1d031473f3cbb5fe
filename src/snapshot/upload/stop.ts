/** Why an upload ends early, as manifests and summaries name it (spec 07, 7.1.10). */
export type StopReason = 'canceled' | 'limit reached'

/** The one place that knows whether an upload goes on. */
export class UploadStop {
  #reason: StopReason | undefined
  #bytes = 0
  #failure: { readonly error: unknown } | undefined

  constructor(
    readonly signal: AbortSignal | undefined,
    readonly limitBytes: number | undefined,
  ) {}

  get reason(): StopReason | undefined {
    if (this.#reason === undefined && this.signal?.aborted) this.#reason = 'canceled'
    return this.#reason
  }

  /** True when nothing new is to be started: cancelled, limit reached, or the whole upload has failed. */
  get stopped(): boolean {
    return this.#failure !== undefined || this.reason !== undefined
  }

  cancel(): void {
    this.#reason ??= 'canceled'
  }

  /** A failure that no policy can ignore: storage that does not take our data. The first one wins. */
  fail(error: unknown): void {
    this.#failure ??= { error }
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error
  }

  /** Counts bytes handed to object writers against --upload-limit-mb. */
  count(bytes: number): void {
    this.#bytes += bytes
    if (this.limitBytes !== undefined && this.limitBytes > 0 && this.#bytes > this.limitBytes) this.#reason ??= 'limit reached'
  }
}
