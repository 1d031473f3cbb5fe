/** Runs tasks with at most `limit` of them in flight; the rest wait in order. */
export class Limiter {
  #active = 0
  readonly #waiting: (() => void)[] = []

  constructor(readonly limit: number) {}

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#active >= this.limit) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#active++
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#active--
    }
  }
}

/** Maps items with at most `limit` calls in flight; results keep the order of the input. The first error (of a call or of
 *  the input) stops new calls, waits for those in flight, and is thrown. */
export async function mapLimited<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  task: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const running = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  let index = 0
  try {
    for await (const item of items) {
      if (failure) break
      const at = index++
      const call = task(item, at).then(
        (value) => {
          results[at] = value
        },
        (error: unknown) => {
          failure ??= { error }
        },
      )
      const tracked = call.finally(() => running.delete(tracked))
      running.add(tracked)
      if (running.size >= limit) await Promise.race(running)
    }
  } catch (error) {
    failure ??= { error }
  }
  await Promise.all(running)
  if (failure) throw failure.error
  return results
}
