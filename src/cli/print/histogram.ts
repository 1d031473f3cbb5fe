/** Limits of the rows, in bytes (spec 06, 14.1). */
const limits = [0, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]

/** Counts things by size in powers of ten. What is larger than the last limit is in no row. */
export class Histogram {
  readonly #counts: number[] = limits.slice(1).map(() => 0)
  readonly #totals: number[] = limits.slice(1).map(() => 0)

  add(sizeBytes: number): void {
    for (let i = 0; i < this.#counts.length; i++)
      if (sizeBytes < (limits[i + 1] as number)) {
        this.#counts[i] = (this.#counts[i] as number) + 1
        this.#totals[i] = (this.#totals[i] as number) + sizeBytes
        return
      }
  }

  rows(print: (bytes: number) => string): string[] {
    return this.#counts.map((count, i) => {
      const range = `${print(limits[i] as number)} and ${print(limits[i + 1] as number)}`
      return `${String(count).padStart(9)} between ${range} (total ${print(this.#totals[i] as number)})`
    })
  }
}
