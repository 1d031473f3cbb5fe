/** Value of the metadata entry in which some storages keep a requested time (spec 04, 4.1.5); undefined when there is none to keep. */
export function timeEntry(modifiedMs: number | undefined): string | undefined {
  return modifiedMs ? String(BigInt(Math.round(modifiedMs * 1000)) * 1000n) : undefined
}

/** Time of such an entry in milliseconds; the server's time when there is none or it is no signed 64-bit number. */
export function entryTimeMs(entry: string | undefined, serverMs: number): number {
  if (entry === undefined || !/^[+-]?\d{1,19}$/.test(entry)) return serverMs
  const ns = BigInt(entry)
  return BigInt.asIntN(64, ns) === ns ? Number(ns) / 1e6 : serverMs
}
