/** One series of a metric: a number, or the counts of a histogram. */
export interface MetricPoint {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly histogram?: Histogram
}

export interface Histogram {
  /** Upper bounds and how many lie below them; the last bound is Infinity. */
  readonly buckets: readonly { readonly bound: number; readonly count: number }[]
  readonly sum: number
  readonly count: number
}

/** All series of one name. Names of counters end in `_total`. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly points: readonly MetricPoint[]
}
