import { KuraError, messageOf, UsageError } from '#base/errors.ts'
import { formatTimeNs } from '#base/time.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import type { IndexFile } from '#repo/content/index/index-file.ts'
import type { IndexBlobContext } from '#repo/content/index-blobs/context.ts'
import { type IndexDifference, indexDifferences } from '#repo/content/index-blobs/differences.ts'
import { EpochIndexBlobs } from '#repo/content/index-blobs/epochs.ts'
import { migrateIndexes, poisonBlobId, poisonOldClients } from '#repo/content/index-blobs/migrate.ts'
import { SealedIndexes } from '#repo/content/index-blobs/sealed-index.ts'
import { IndexBlobsV0 } from '#repo/content/index-blobs/v0.ts'
import { formatBlobId } from '#repo/format/format-blob.ts'
import { defaultEpochs } from '#repo/format/new-format.ts'
import type { UpgradeLock } from '#repo/format/repository-format.ts'
import type { DirectRepository } from './repository.ts'
import { rewriteFormat } from './rewrite-format.ts'
import { setParameters } from './set-parameters.ts'

/** Version of the format once an upgrade with a lock has begun (spec 01, 1.9, 1.14). */
export const upgradedVersion = 3
const backupPrefix = `${formatBlobId}.backup.`

/** The repository has the newest format, or no upgrade is under way. */
export class UpgradeStateError extends KuraError {
  readonly code = 'UPGRADE_STATE'
}

/** The indexes before or after an upgrade cannot be compared: nothing was committed. */
export class IndexValidationError extends KuraError {
  readonly code = 'INDEX_VALIDATION'
}

/** Throws UsageError for a lock that must not be written (spec 01, 1.14). */
export function checkLock(lock: UpgradeLock): void {
  const drainNs = lock.maxPermittedClockDriftNs + 2n * lock.ioDrainTimeoutNs
  if (lock.ownerId === '') throw new UsageError('an upgrade needs an owner: give --upgrade-owner-id')
  if (lock.message === '') throw new UsageError('an upgrade lock needs a message')
  if (lock.ioDrainTimeoutNs <= 0n) throw new UsageError('the time for clients to finish (--io-drain-timeout) must be above 0')
  if (lock.maxPermittedClockDriftNs <= 0n)
    throw new UsageError('the permitted drift of clocks (--max-permitted-clock-drift) must be above 0')
  if (lock.statusPollIntervalNs > lock.ioDrainTimeoutNs)
    throw new UsageError('the interval of looking (--status-poll-interval) must not be longer than --io-drain-timeout')
  if (lock.advanceNoticeDurationNs !== 0n && lock.advanceNoticeDurationNs <= drainNs)
    throw new UsageError('advance notice must be longer than the time that clients need to stop')
}

/** Keeps all other clients out, after a copy of the format blob was put aside for a rollback. One that the same owner placed before stays.
 *  Throws UpgradeStateError when there is nothing to upgrade, UsageError for a lock of somebody else. Source: spec 01, 1.14. */
export async function placeLock(repository: DirectRepository, lock: Omit<UpgradeLock, 'creationTime'>): Promise<UpgradeLock> {
  await repository.forgetFormat()
  const { format, retention } = repository
  const known = format.upgradeLock
  if (known) {
    if (known.ownerId !== lock.ownerId) throw new UsageError(`the repository is being upgraded by ${JSON.stringify(known.ownerId)}`)
    return known
  }
  if (format.version >= upgradedVersion) throw new UpgradeStateError('repository format is up to date')
  const placed: UpgradeLock = { ...lock, creationTime: formatTimeNs(repository.clock.nowNs()) }
  checkLock(placed)
  await repository.blobs.put(backupPrefix + lock.ownerId, [repository.formatBlob])
  await rewriteFormat(repository, { ...format, version: upgradedVersion, upgradeLock: placed }, retention)
  await repository.forgetFormat()
  return placed
}

/** Ends an upgrade: other clients may come back, those that know only the old indexes fail. Source: spec 01, 1.14. */
export async function commitUpgrade(repository: DirectRepository): Promise<void> {
  await repository.forgetFormat()
  const { upgradeLock, ...format } = repository.format
  if (!upgradeLock) throw new UpgradeStateError('no upgrade in progress')
  // Clients with a copy of the old format are told by the new format blob soon enough: a failure here is no reason to stop.
  await poisonOldClients(repository.blobs).catch(() => undefined)
  await rewriteFormat(repository, format, repository.retention)
  await repository.forgetFormat()
}

/** Puts the format back as it was before the lock was placed. Source: spec 01, 1.14. */
export async function rollBackUpgrade(repository: DirectRepository): Promise<void> {
  await repository.forgetFormat()
  if (!repository.format.upgradeLock) throw new UpgradeStateError('no upgrade in progress')
  const backups: BlobInfo[] = []
  for await (const blob of repository.blobs.list(backupPrefix)) backups.push(blob)
  backups.sort((a, b) => a.modifiedMs - b.modifiedMs)
  const [oldest, ...others] = backups
  for (const { id } of others) await repository.blobs.delete(id)
  if (oldest) {
    await repository.blobs.put(formatBlobId, [await repository.blobs.get(oldest.id)])
    await repository.blobs.delete(oldest.id)
  }
  await repository.forgetFormat()
}

/** Moves the indexes into epochs, and says so in the format. False when they were there already. The repository must be opened again
 *  afterwards. Throws what reading the old indexes throws. Source: spec 02, 4.4. */
export async function upgradeIndexes(repository: DirectRepository): Promise<boolean> {
  if (repository.format.epochs.enabled) return false
  const version = Math.max(2, repository.format.version)
  await migrateIndexes(contextOf(repository), () => setParameters(repository, { version, indexVersion: 2, epochs: defaultEpochs }))
  return true
}

/** `set-parameters --upgrade`: without a lock, for a repository that nobody else uses. False when nothing was to be done. */
export async function upgradeWithoutLock(repository: DirectRepository): Promise<boolean> {
  if (!(await upgradeIndexes(repository))) return false
  await poisonOldClients(repository.blobs)
  return true
}

/** Whether the old indexes still say what the new ones do: nobody was told yet to use the new ones. */
export async function areOldIndexesInForce({ blobs }: DirectRepository): Promise<boolean> {
  for await (const _ of blobs.list(poisonBlobId)) return false
  return true
}

/** What the indexes of the epochs say otherwise than the old ones. Undefined when one of both is missing.
 *  Throws IndexValidationError for an index blob that cannot be read. */
export async function compareIndexes(repository: DirectRepository): Promise<readonly IndexDifference[] | undefined> {
  const context = contextOf(repository)
  const sealed = new SealedIndexes(context)
  const oldBlobs = (await new IndexBlobsV0(context).activeSet()).blobs.filter(({ id }) => id !== poisonBlobId)
  const newBlobs = (await new EpochIndexBlobs(context).activeSet()).blobs
  if (oldBlobs.length === 0 || newBlobs.length === 0) return undefined
  return indexDifferences(await loadEach(sealed, oldBlobs, 'current'), await loadEach(sealed, newBlobs, 'new'))
}

async function loadEach(sealed: SealedIndexes, blobs: readonly BlobInfo[], which: string): Promise<IndexFile[]> {
  const loaded: IndexFile[] = []
  for (const blob of blobs)
    try {
      loaded.push(...(await sealed.loadAll([blob])))
    } catch (error) {
      const what = `failed to load index entries for ${which} index: failed to load index blob with BlobID ${blob.id}`
      throw new IndexValidationError(`${what}: ${messageOf(error)}`, { cause: error })
    }
  return loaded
}

const contextOf = ({ blobs, cipher, hasher, format, clock }: DirectRepository): IndexBlobContext => ({
  storage: blobs,
  cipher,
  hasher,
  format,
  clock,
})
