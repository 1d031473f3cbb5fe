import type { ContainerClient } from '@azure/storage-blob'
import { StorageError } from '../errors.ts'
import type { BlobVersion, VersionSource } from '../point-in-time.ts'
import { entryTimeMs } from '../time-entry.ts'
import { patient } from '../wrap/patient.ts'
import { azureFailure } from './failure.ts'
import type { AzureOptions } from './options.ts'
import { mtimeOf, readBlob } from './read.ts'

/** One line of a listing with versions, as far as it is used. */
export interface VersionItem {
  readonly name: string
  readonly versionId?: string | undefined
  readonly hasVersionsOnly?: boolean | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly properties: { readonly contentLength?: number | undefined; readonly lastModified: Date }
}

/** Throws StorageError unless the container keeps versions of the repository. */
export async function requireAzureVersions(source: VersionSource, options: AzureOptions): Promise<void> {
  for await (const { id, version } of source.versions('kopia.repository')) if (id === 'kopia.repository' && version !== '') return
  throw new StorageError(
    `container ${options.container} keeps no versions of a repository, so there is no past to show. Connect without --point-in-time.`,
  )
}

/** Old versions of the blobs in a container. Source: spec 04, 4.4. */
export function azureVersions(client: ContainerClient, options: AzureOptions): VersionSource {
  return {
    versions: (prefix) => newestFirst(items(client, options, options.prefix + prefix), options.prefix.length),
    getVersion: (id, version, range) => readBlob(client.getBlobClient(options.prefix + id).withVersion(version), options, id, range),
  }
}

async function* items(client: ContainerClient, options: AzureOptions, prefix: string): AsyncIterable<VersionItem> {
  const wanted = { prefix, includeMetadata: true, includeVersions: true, includeDeletedWithVersions: true }
  let token: string | undefined
  do {
    const page = await patient('listing versions', async () => {
      const pages = client.listBlobsFlat(wanted).byPage(token ? { continuationToken: token } : {})
      return (await pages.next()).value
    }).catch((error: unknown) => {
      throw azureFailure(error, options, 'list versions')
    })
    yield* page?.segment.blobItems ?? []
    token = page?.continuationToken || undefined
  } while (token)
}

/** Turns the versions of each blob around: the service names the oldest first, and a deletion after all of them. */
export async function* newestFirst(found: AsyncIterable<VersionItem>, prefixLength: number): AsyncIterable<BlobVersion> {
  let group: BlobVersion[] = []
  for await (const item of found) {
    const version = versionOf(item, prefixLength)
    if (group[0] && group[0].id !== version.id) {
      yield* group.reverse()
      group = []
    }
    group.push(version)
  }
  yield* group.reverse()
}

function versionOf(item: VersionItem, prefixLength: number): BlobVersion {
  const deleted = item.hasVersionsOnly ?? false
  const written = entryTimeMs(mtimeOf(item.metadata), item.properties.lastModified.getTime())
  // The time of a deletion is its version, if that is later than the last write.
  const removed = deleted && item.versionId ? Date.parse(item.versionId) : Number.NaN
  return {
    id: item.name.slice(prefixLength),
    version: item.versionId ?? '',
    sizeBytes: item.properties.contentLength ?? 0,
    modifiedMs: Number.isNaN(removed) ? written : Math.max(removed, written),
    deleted,
  }
}
