import { asObject, JsonShapeError, memberOf, numberOf, parseFirstJson, stringOf } from '#base/json-read.ts'
import type { BlobId } from './storage.ts'

/** How blob IDs become folders (spec 04, 4.2.1): lengths of folder names, outermost first. */
export interface ShardLayout {
  readonly default: readonly number[]
  /** IDs of at most this many bytes stay in the root. */
  readonly maxNonShardedLength: number
  /** The first entry whose prefix matches an ID replaces `default`. */
  readonly overrides: readonly { readonly prefix: string; readonly shards: readonly number[] }[]
}

export const shardsFile = '.shards'
export const blobSuffix = '.f'

const maxNonShardedLengthBytes = 20
const newLayout = [1, 3]
const oldLayout = [3, 3]

/** Layout of a storage without a `.shards` file. `dirShards` is the option of that name; null = what its age suggests. */
export function defaultLayout(dirShards: readonly number[] | null, create: boolean): ShardLayout {
  return { default: dirShards ?? (create ? newLayout : oldLayout), maxNonShardedLength: maxNonShardedLengthBytes, overrides: [] }
}

/** List of folder name lengths as JSON has it; null or missing = none. Throws JsonShapeError. */
export function parseShardLengths(value: unknown, what: string): number[] {
  if (value === null || value === undefined) return []
  if (!Array.isArray(value) || !value.every((n): n is number => Number.isSafeInteger(n)))
    throw new JsonShapeError(`${what} must be a list of whole numbers`)
  return value
}

/** Reads the text of a `.shards` file. What follows the first JSON value is ignored. Throws SyntaxError or JsonShapeError. */
export function parseLayout(text: string): ShardLayout {
  const what = 'the .shards file'
  const json = asObject(parseFirstJson(text), what)
  const overrides = memberOf(json, 'overrides') ?? []
  if (!Array.isArray(overrides)) throw new JsonShapeError(`${what}: "overrides" must be a list`)
  return {
    default: parseShardLengths(memberOf(json, 'default'), `${what}: "default"`),
    maxNonShardedLength: numberOf(json, 'maxNonShardedLength', what),
    overrides: overrides.map((value: unknown) => {
      const override = asObject(value, `${what}: an override`)
      return {
        prefix: stringOf(override, 'prefix', what),
        shards: parseShardLengths(memberOf(override, 'shards'), `${what}: the shards of an override`),
      }
    }),
  }
}

/** Text of a `.shards` file: one line of JSON. */
export function formatLayout(layout: ShardLayout): string {
  const { overrides, ...rest } = layout
  return `${JSON.stringify(overrides.length > 0 ? layout : rest)}\n`
}

/** Folders and file name of a blob, relative to the storage's root, joined by `/` (spec 04, 4.2.1). */
export function blobPath(layout: ShardLayout, id: BlobId): string {
  if (Buffer.byteLength(id) <= layout.maxNonShardedLength) return id + blobSuffix
  const lengths = layout.overrides.find((o) => id.startsWith(o.prefix))?.shards ?? layout.default
  let path = ''
  let rest = id
  for (const length of lengths) {
    if (rest.length <= length) break
    if (length <= 0) continue
    path += `${rest.slice(0, length)}/`
    rest = rest.slice(length)
  }
  return path + rest + blobSuffix
}

/** Whether a folder whose accumulated name is `folder` can hold blobs that start with `prefix` (spec 04, 4.2.2). */
export const mayHold = (folder: string, prefix: BlobId): boolean => folder.startsWith(prefix) || prefix.startsWith(folder)

/** Blob ID of a file with this accumulated name, or undefined when it is no blob with the prefix. */
export function blobIdOf(name: string, prefix: BlobId): BlobId | undefined {
  if (!name.endsWith(blobSuffix)) return undefined
  const id = name.slice(0, -blobSuffix.length)
  return id.startsWith(prefix) ? id : undefined
}
