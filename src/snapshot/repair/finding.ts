import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurably } from '#base/durable.ts'
import type { BlobId, BlobStorage } from '#repo/blob/storage.ts'

/** Something that is wrong with a repository. */
export interface Finding {
  readonly kind: 'format' | 'index' | 'session' | 'schedule' | 'files'
  /** What it is about: a blob, or the source of snapshots. */
  readonly subject: string
  /** What is wrong, and what follows from it. */
  readonly problem: string
  /** What mending would do; or, where `mend` is absent, what a person can do. */
  readonly remedy: string
  /** Mends it and tells what was done. Absent where we cannot. */
  readonly mend?: () => Promise<string>
}

/** Keeps a copy of a blob in a local folder before it is replaced or deleted: what is unreadable to us may yet be of use to somebody.
 *  Returns the copy's path. Throws the storage's and the system's errors. */
export async function keepCopy(storage: BlobStorage, blob: BlobId, folder: string): Promise<string> {
  const bytes = await storage.get(blob)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, blob.replaceAll('/', '_'))
  await writeDurably(path, [bytes])
  return path
}
