import { UsageError } from '#base/errors.ts'
import { checkRetention } from '#repo/format/blob-config.ts'
import { RequiredFeatureError } from '#repo/format/errors.ts'
import { checkReadable } from '#repo/format/format-blob.ts'
import { checkWritable } from '#repo/format/new-format.ts'
import type { BlobRetention, EpochParameters, RepositoryFormat, RequiredFeature } from '#repo/format/repository-format.ts'
import type { DirectRepository } from './repository.ts'
import { rewriteFormat } from './rewrite-format.ts'

/** What can be changed in an existing repository (spec 01, 1.6 and 1.10). What is left out stays. */
export interface ParameterChanges {
  readonly version?: number
  readonly maxPackSizeBytes?: number
  readonly indexVersion?: 1 | 2
  readonly epochs?: EpochParameters
  readonly requiredFeatures?: readonly RequiredFeature[]
  /** Mode '' turns retention off. */
  readonly retention?: BlobRetention
}

/** Changes parameters of a repository: both central blobs are written anew, retention first, and every copy of them is dropped. Other
 *  clients notice within 15 minutes. This open repository goes on writing packs and indexes as before: open it again to write in the new way.
 *  Throws UsageError for a change that is none or not allowed, InvalidFormatError for values out of range. Source: spec 01, 1.10. */
export async function setParameters(repository: DirectRepository, changes: ParameterChanges): Promise<void> {
  const { retention: newRetention, ...fields } = changes
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  if (Object.keys(given).length === 0 && !newRetention) throw new UsageError('no changes')
  // The current blobs, not those read when the repository was opened: another client may have changed them since.
  await repository.forgetFormat()
  const { format, retention: oldRetention } = repository
  const changed: RepositoryFormat = { ...format, ...given }
  const retention = newRetention ?? oldRetention
  if (changed.indexVersion < format.indexVersion) throw new UsageError('index format version can only be upgraded')
  if (changed.version < format.version) throw new UsageError('repository format version can only be upgraded')
  checkReadable(changed)
  checkWritable(changed)
  checkRetention(retention)
  await rewriteFormat(repository, changed, retention)
  try {
    await repository.forgetFormat()
  } catch (error) {
    // Asked for here and now: it is for the others to refuse.
    if (!(fields.requiredFeatures && error instanceof RequiredFeatureError)) throw error
  }
}
