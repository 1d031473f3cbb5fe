import type { ListObjectVersionsCommandOutput, ObjectVersion, S3Client } from '@aws-sdk/client-s3'
import { StorageError, TransientStorageError } from '../errors.ts'
import type { BlobVersion, VersionSource } from '../point-in-time.ts'
import { checkRange } from '../range.ts'
import { patient } from '../wrap/patient.ts'
import { s3Failure } from './failure.ts'
import { getObject } from './object.ts'
import type { S3Options } from './options.ts'
import { storageConfigId } from './storage-config.ts'

/** Throws StorageError unless the bucket keeps old versions. */
export async function requireVersions(client: S3Client, options: S3Options): Promise<void> {
  const { GetBucketVersioningCommand } = await import('@aws-sdk/client-s3')
  const { Status } = await patient('looking at the bucket', () =>
    client.send(new GetBucketVersioningCommand({ Bucket: options.bucket })).catch((error: unknown) => {
      throw s3Failure(error, options, 'look at the versioning')
    }),
  )
  if (Status !== 'Enabled')
    throw new StorageError(`bucket ${options.bucket} keeps no versions, so there is no past to show. Connect without --point-in-time.`)
}

/** Old versions of the blobs in a bucket. Source: spec 04, 4.4. */
export function s3Versions(client: S3Client, options: S3Options): VersionSource {
  return {
    versions: (prefix) => versions(client, options, prefix),
    async getVersion(id, version, range) {
      if (range) checkRange(id, range)
      return range?.length === 0 ? Buffer.alloc(0) : getObject(client, options, id, range, version)
    },
  }
}

async function* versions(client: S3Client, options: S3Options, prefix: string): AsyncIterable<BlobVersion> {
  const { ListObjectVersionsCommand } = await import('@aws-sdk/client-s3')
  let next: Marker | undefined = {}
  // The page names versions and deletions apart: those of the last blob wait until the next page has told the rest of them.
  let waiting: BlobVersion[] = []
  while (next) {
    const input = { Bucket: options.bucket, Prefix: options.prefix + prefix, ...next }
    const page: ListObjectVersionsCommandOutput = await patient('listing versions', async () => {
      const got: ListObjectVersionsCommandOutput = await client.send(new ListObjectVersionsCommand(input)).catch((error: unknown) => {
        throw s3Failure(error, options, 'list versions')
      })
      if (got.IsTruncated && !got.NextKeyMarker) throw new TransientStorageError(`the list of bucket ${options.bucket} ended too early`)
      return got
    })
    next = page.IsTruncated
      ? {
          ...(page.NextKeyMarker ? { KeyMarker: page.NextKeyMarker } : {}),
          ...(page.NextVersionIdMarker ? { VersionIdMarker: page.NextVersionIdMarker } : {}),
        }
      : undefined
    const known = [...waiting, ...versionsOf(page, options.prefix.length)].sort(inOrder)
    const last = next ? known.at(-1)?.id : undefined
    waiting = known.filter(({ id }) => id === last)
    for (const version of known) if (version.id !== last && version.id !== storageConfigId && !version.id.includes('/')) yield version
  }
}

interface Marker {
  readonly KeyMarker?: string
  readonly VersionIdMarker?: string
}

interface Ranked extends BlobVersion {
  readonly latest: boolean
}

const inOrder = (a: BlobVersion, b: BlobVersion): number =>
  (a.id < b.id ? -1 : a.id > b.id ? 1 : 0) ||
  Number((b as Ranked).latest) - Number((a as Ranked).latest) ||
  b.modifiedMs - a.modifiedMs ||
  Number(b.deleted) - Number(a.deleted)

function versionsOf(page: ListObjectVersionsCommandOutput, prefixLength: number): Ranked[] {
  const found = (entry: ObjectVersion, deleted: boolean) => ({
    id: (entry.Key ?? '').slice(prefixLength),
    version: entry.VersionId ?? '',
    sizeBytes: entry.Size ?? 0,
    modifiedMs: entry.LastModified?.getTime() ?? 0,
    deleted,
    latest: entry.IsLatest ?? false,
  })
  return [...(page.Versions ?? []).map((v) => found(v, false)), ...(page.DeleteMarkers ?? []).map((v) => found(v, true))]
}
