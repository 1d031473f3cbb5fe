import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '#base/errors.ts'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { CorruptFormatError } from '#repo/format/errors.ts'
import { formatBlobId, parseFormatBlob } from '#repo/format/format-blob.ts'
import { NoFormatCopyError, recoverFormat } from '#repo/repository/recover-format.ts'
import { type Finding, keepCopy } from './finding.ts'

export interface FormatBlobPlaces {
  /** Where this connection caches the central blobs. */
  readonly cacheDirectory: string | undefined
  /** Local folder for copies of what is replaced. */
  readonly copies: string
}

/** Looks whether the format blob is there and in its form; without it nobody can open the repository. A copy may be in the cache of
 *  this connection, or in the packs of old repositories (spec 01, 1.11 and 1.12). Throws the storage's errors. */
export async function lookAtFormatBlob(storage: BlobStorage, places: FormatBlobPlaces): Promise<Finding | undefined> {
  const problem = await problemOf(storage)
  if (problem === undefined) return undefined
  const found = { kind: 'format', subject: formatBlobId, problem } as const
  const cached = places.cacheDirectory === undefined ? undefined : await cachedCopy(places.cacheDirectory)
  if (cached)
    return {
      ...found,
      remedy: `put back the copy that this connection read on ${cached.readAt.toISOString()}. It opens with the password of that time.`,
      mend: () => putBack(storage, places, () => storage.put(formatBlobId, [cached.bytes])),
    }
  try {
    await recoverFormat(storage, { mode: 'yes', prefixes: [], dryRun: true })
  } catch (error) {
    if (!(error instanceof NoFormatCopyError)) throw error
    return { ...found, remedy: messageOf(error) }
  }
  return {
    ...found,
    remedy: 'put back the copy that a pack holds. It opens with the password that the repository had at first.',
    mend: () => putBack(storage, places, () => recoverFormat(storage, { mode: 'yes', prefixes: [], dryRun: false })),
  }
}

async function problemOf(storage: BlobStorage): Promise<string | undefined> {
  try {
    parseFormatBlob(await storage.get(formatBlobId))
    return undefined
  } catch (error) {
    if (error instanceof BlobNotFoundError) return 'it is missing: nobody can open the repository without it'
    if (error instanceof CorruptFormatError) return `it is damaged, and nobody can open the repository without it: ${messageOf(error)}`
    throw error
  }
}

async function putBack(storage: BlobStorage, { copies }: FormatBlobPlaces, write: () => Promise<unknown>): Promise<string> {
  try {
    await keepCopy(storage, formatBlobId, copies)
  } catch (error) {
    if (!(error instanceof BlobNotFoundError)) throw error
  }
  await write()
  return 'the format blob was put back'
}

async function cachedCopy(directory: string): Promise<{ readonly bytes: Buffer; readonly readAt: Date } | undefined> {
  const path = join(directory, formatBlobId)
  try {
    const bytes = await readFile(path)
    parseFormatBlob(bytes)
    return { bytes, readAt: (await stat(path)).mtime }
  } catch {
    // No copy, or none that helps: both mean to look elsewhere.
    return undefined
  }
}
