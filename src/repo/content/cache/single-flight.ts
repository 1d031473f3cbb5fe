/** Callers that ask for the same key at the same time share one run of the work. */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>()

  run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key)
    if (running) return running
    const started = work().finally(() => this.#running.delete(key))
    this.#running.set(key, started)
    return started
  }

  /** The run in progress for a key, if any. */
  pending(key: string): Promise<T> | undefined {
    return this.#running.get(key)
  }
}
