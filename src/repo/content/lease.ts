/** Memory that contents of several packs lie in: it is free again when whoever made the lease and every pack that holds it have let go. */
export class Lease {
  #holders = 1

  constructor(readonly free: () => void) {}

  hold(): void {
    this.#holders++
  }

  drop(): void {
    if (--this.#holders === 0) this.free()
  }
}
