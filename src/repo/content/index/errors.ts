import { KuraError } from '#base/errors.ts'

/** An index file that breaks the rules of spec 02, 3.3. */
export class CorruptIndexError extends KuraError {
  readonly code = 'CORRUPT_INDEX'
  constructor(
    /** Blob the file came from; '' when it never was one. */
    readonly blob: string,
    readonly offset: number,
    what: string,
    options?: ErrorOptions,
  ) {
    super(
      `index ${blob === '' ? 'file' : `blob ${blob}`} is corrupt at byte ${offset}: ${what}. Recover the index from the packs ("index recover").`,
      options,
    )
  }
}

/** Records that the wanted index version cannot hold (spec 02, 3.1 and 3.2). */
export class IndexBuildError extends KuraError {
  readonly code = 'INDEX_BUILD'
}
