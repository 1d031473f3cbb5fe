/** Who and what a snapshot is of (spec 03, 6.5). All three empty = the global policy target. */
export interface SourceInfo {
  readonly user: string
  readonly host: string
  readonly path: string
}
