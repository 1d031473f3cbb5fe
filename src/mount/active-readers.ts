/** How many different readers there were among the last reads: what may be read ahead is shared by so many. */
export class ActiveReaders {
  private readonly last: object[] = []
  private next = 0
  private readonly counts = new Map<object, number>()

  /** `window`: reads that are looked back on. */
  constructor(private readonly window: number) {}

  get count(): number {
    return this.counts.size
  }

  note(reader: object): void {
    const oldest = this.last[this.next]
    this.last[this.next] = reader
    this.next = (this.next + 1) % this.window
    if (oldest === reader) return
    this.counts.set(reader, (this.counts.get(reader) ?? 0) + 1)
    if (oldest === undefined) return
    const left = (this.counts.get(oldest) as number) - 1
    if (left === 0) this.counts.delete(oldest)
    else this.counts.set(oldest, left)
  }
}
