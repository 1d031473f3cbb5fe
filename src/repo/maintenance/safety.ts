const hourMs = 3_600_000

/** How long maintenance waits for other clients before it takes something away (spec 07, 7.6.5). Milliseconds. */
export interface Safety {
  /** Contents younger than this are left alone by snapshot garbage collection. */
  readonly minContentAgeMs: number
  readonly rewriteMinAgeMs: number
  /** Two garbage collections must be so far apart before deleted contents are dropped. */
  readonly gcMarginMs: number
  readonly requiresTwoGcCycles: boolean
  readonly dropMarginMs: number
  /** From a rewrite to the deletion of the packs that it has emptied. */
  readonly rewriteToDeletionMs: number
  readonly packDeleteMinAgeMs: number
  /** Sessions with a younger checkpoint keep their blobs. */
  readonly sessionExpirationMs: number
  /** Skips the hour that superseded index blobs of the old scheme stay. */
  readonly skipsIndexSettling: boolean
}

export const fullSafety: Safety = {
  minContentAgeMs: 24 * hourMs,
  rewriteMinAgeMs: 2 * hourMs,
  gcMarginMs: 4 * hourMs,
  requiresTwoGcCycles: true,
  dropMarginMs: hourMs,
  rewriteToDeletionMs: hourMs,
  packDeleteMinAgeMs: 24 * hourMs,
  sessionExpirationMs: 96 * hourMs,
  skipsIndexSettling: false,
}

/** Correct only while no other client is active, on a storage where every write is seen at once. */
export const noSafety: Safety = {
  minContentAgeMs: 0,
  rewriteMinAgeMs: 0,
  gcMarginMs: 0,
  requiresTwoGcCycles: false,
  dropMarginMs: 0,
  rewriteToDeletionMs: 0,
  packDeleteMinAgeMs: 0,
  sessionExpirationMs: 0,
  skipsIndexSettling: true,
}

/** The table for the value of `--safety`. */
export const safetyOf = (name: string): Safety => (name === 'none' ? noSafety : fullSafety)
