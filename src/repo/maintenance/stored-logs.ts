import { gunzipSync } from 'node:zlib'
import type { BlobInfo, BlobReader } from '#repo/blob/storage.ts'
import type { Cipher } from '#repo/crypto/algorithms.ts'
import { openBlob } from '#repo/crypto/blob-sealing.ts'
import type { LogRetention } from './parameters.ts'

export const logPrefix = '_log_'

/** One run of a program, as its stored log tells it (spec 06, 14.5). */
export interface LogSession {
  readonly id: string
  readonly startSeconds: number
  readonly endSeconds: number
  readonly totalBytes: number
  /** In time order. */
  readonly segments: readonly BlobInfo[]
}

interface Segment {
  readonly session: string
  readonly start: number
  readonly end: number
  readonly blob: BlobInfo
}

/** `_log_<time>_<hex>_<start>_<end>_<seq>_<hash>`; undefined for other names. */
function segmentOf(blob: BlobInfo): Segment | undefined {
  const parts = blob.id.split('_')
  const start = Number(parts[4])
  const end = Number(parts[5])
  if (parts.length < 8 || parts[0] !== '' || !/^\d+$/.test(parts[4] ?? '') || !/^\d+$/.test(parts[5] ?? '')) return undefined
  return { session: `${parts[2]}_${parts[3]}`, start, end, blob }
}

/** Stored logs, oldest first. `onOddName` hears of blobs whose names are not those of logs. Throws the storage's errors. */
export async function listLogs(storage: BlobReader, onOddName: (id: string) => void = () => undefined): Promise<LogSession[]> {
  const groups = new Map<string, Segment[]>()
  for await (const blob of storage.list(logPrefix)) {
    const segment = segmentOf(blob)
    if (!segment) onOddName(blob.id)
    else groups.set(segment.session, [...(groups.get(segment.session) ?? []), segment])
  }
  return [...groups]
    .map(([id, segments]) => ({
      id,
      startSeconds: Math.min(...segments.map((s) => s.start)),
      endSeconds: Math.max(...segments.map((s) => s.end)),
      totalBytes: segments.reduce((sum, s) => sum + s.blob.sizeBytes, 0),
      segments: segments.sort((a, b) => a.start - b.start || sequenceOf(a) - sequenceOf(b)).map((s) => s.blob),
    }))
    .sort((a, b) => a.startSeconds - b.startSeconds || (a.id < b.id ? -1 : 1))
}

const sequenceOf = ({ blob }: Segment): number => Number(blob.id.split('_')[6])

/** Text of one segment. Throws DecryptionError, and what the storage and zlib throw. Source: spec 01, 1.19. */
export async function readLog(storage: BlobReader, cipher: Cipher, id: string): Promise<Buffer> {
  return gunzipSync(openBlob(cipher, id, await storage.get(id)))
}

/** Log blobs that are kept and those that are to go: the first one beyond a limit and all older ones (spec 07, 7.6.13). Pure. */
export function planLogCleanup(
  blobs: readonly BlobInfo[],
  limits: LogRetention,
  nowMs: number,
): { readonly kept: readonly BlobInfo[]; readonly toDelete: readonly BlobInfo[] } {
  const newestFirst = [...blobs].sort((a, b) => b.modifiedMs - a.modifiedMs)
  let totalBytes = 0
  const first = newestFirst.findIndex(({ sizeBytes, modifiedMs }, i) => {
    totalBytes += sizeBytes
    return (
      (limits.maxTotalBytes > 0 && totalBytes > limits.maxTotalBytes) ||
      (limits.maxCount > 0 && i >= limits.maxCount) ||
      (limits.maxAgeNs > 0n && nowMs - modifiedMs > Number(limits.maxAgeNs) / 1e6)
    )
  })
  const end = first < 0 ? newestFirst.length : first
  return { kept: newestFirst.slice(0, end), toDelete: newestFirst.slice(end) }
}
