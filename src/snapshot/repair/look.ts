import type { DirectRepository } from '#repo/repository/repository.ts'
import { lookAtFiles } from './broken-files.ts'
import type { Finding } from './finding.ts'
import { lookAtIndexBlobs } from './index-blobs.ts'
import { lookAtSchedule } from './schedule.ts'
import { lookAtSessions } from './sessions.ts'

export interface LookOptions {
  /** Local folder for copies of what is replaced or removed. */
  readonly copies: string
  readonly signal?: AbortSignal
}

/** Looks at all that can be wrong with an opened repository and changes nothing. The findings are in the order in which they are best
 *  mended: files count as broken only once the indexes are whole. Throws the storage's errors. */
export async function lookAtRepository(repository: DirectRepository, { copies, signal }: LookOptions): Promise<Finding[]> {
  await repository.contents.refresh()
  const indexes = await lookAtIndexBlobs(repository, copies)
  const sessions = await lookAtSessions(repository, copies)
  const schedule = await lookAtSchedule(repository, copies)
  const files = indexes.length > 0 ? [] : await lookAtFiles(repository, signal)
  return [...indexes, ...sessions, ...(schedule ? [schedule] : []), ...files]
}
