import { goJson, type JsonValue } from '#base/go-json.ts'
import { formatTimeNs, parseTimeNs } from '#base/time.ts'
import type { BlobId, BlobInfo } from '#repo/blob/storage.ts'
import { CorruptIndexError } from '#repo/content/index/errors.ts'

/** An `m` blob: the inputs are replaced by the outputs (spec 02, 4.2). */
export interface CompactionLog {
  readonly inputs: readonly BlobId[]
  readonly outputs: readonly BlobId[]
}

/** An `l` blob: compaction logs whose inputs are deleted already (spec 02, 4.2). */
export interface CleanupList {
  readonly blobs: readonly BlobId[]
  readonly scheduledMs: number
}

const nsOf = (ms: number): bigint => {
  const whole = Math.floor(ms)
  return BigInt(whole) * 1_000_000n + BigInt(Math.floor((ms - whole) * 1e6))
}

const listOf = <T extends JsonValue>(values: readonly T[]): readonly T[] | null => (values.length === 0 ? null : values)

const metadataOf = ({ id, sizeBytes, modifiedMs }: BlobInfo): JsonValue => ({
  id,
  length: sizeBytes,
  timestamp: formatTimeNs(nsOf(modifiedMs)),
})

/** Plaintext of an `m` blob. */
export function formatCompactionLog(inputs: readonly BlobInfo[], outputs: readonly BlobInfo[]): Buffer {
  return Buffer.from(goJson({ inputMetadata: listOf(inputs.map(metadataOf)), outputMetadata: listOf(outputs.map(metadataOf)) }))
}

/** Plaintext of an `l` blob. */
export function formatCleanupList(blobs: readonly BlobId[], scheduledMs: number): Buffer {
  return Buffer.from(goJson({ blobIDs: listOf(blobs), cleanupScheduleTime: formatTimeNs(nsOf(scheduledMs)) }))
}

/** Reads an `m` blob's plaintext; `blob` is for errors. Throws CorruptIndexError. */
export function parseCompactionLog(blob: BlobId, plain: Buffer): CompactionLog {
  const json = parseObject(blob, plain)
  return { inputs: idsOf(blob, json['inputMetadata']), outputs: idsOf(blob, json['outputMetadata']) }
}

/** Reads an `l` blob's plaintext; `blob` is for errors. Throws CorruptIndexError. */
export function parseCleanupList(blob: BlobId, plain: Buffer): CleanupList {
  const json = parseObject(blob, plain)
  const blobs = json['blobIDs'] ?? []
  const time = json['cleanupScheduleTime']
  if (!Array.isArray(blobs) || !blobs.every((id) => typeof id === 'string') || typeof time !== 'string') throw wrongShape(blob)
  try {
    return { blobs, scheduledMs: Number(parseTimeNs(time)) / 1e6 }
  } catch (error) {
    throw wrongShape(blob, error)
  }
}

function parseObject(blob: BlobId, plain: Buffer): Record<string, unknown> {
  let json: unknown
  try {
    json = JSON.parse(plain.toString())
  } catch (error) {
    throw wrongShape(blob, error)
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrongShape(blob)
  return json as Record<string, unknown>
}

function idsOf(blob: BlobId, list: unknown): BlobId[] {
  if (list === null || list === undefined) return []
  if (!Array.isArray(list)) throw wrongShape(blob)
  return list.map((entry: unknown) => {
    const id = typeof entry === 'object' && entry !== null ? (entry as { id?: unknown }).id : undefined
    if (typeof id !== 'string') throw wrongShape(blob)
    return id
  })
}

const wrongShape = (blob: BlobId, cause?: unknown): CorruptIndexError =>
  new CorruptIndexError(blob, 0, 'it is not the JSON of an index compaction', cause === undefined ? {} : { cause })
