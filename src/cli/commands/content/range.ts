import { allIds, type IdRange, idsWithPrefix, prefixedIds, unprefixedIds } from '#repo/content/content-info.ts'

/** Contents that the three range flags select; `--prefixed` wins, then `--non-prefixed` (spec 06, 14.2). */
export function rangeOf(values: {
  readonly prefix: string | undefined
  readonly prefixed: boolean
  readonly 'non-prefixed': boolean
}): IdRange {
  if (values.prefixed) return prefixedIds
  if (values['non-prefixed']) return unprefixedIds
  return values.prefix ? idsWithPrefix(values.prefix) : allIds
}
