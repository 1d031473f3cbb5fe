import { createHash } from 'node:crypto'
import type { ContainerClient } from '@azure/storage-blob'
import { systemClock } from '#base/clock.ts'
import { BlobNotFoundError, UnsupportedOptionError } from '../errors.ts'
import { pointInTimeView } from '../point-in-time.ts'
import { checkRange } from '../range.ts'
import type { BackendType, BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from '../storage.ts'
import { entryTimeMs, timeEntry } from '../time-entry.ts'
import { patient } from '../wrap/patient.ts'
import { azureClient } from './client.ts'
import { azureCode, azureFailure } from './failure.ts'
import { type AzureOptions, parseAzureOptions } from './options.ts'
import { mtimeOf, readBlob } from './read.ts'
import { azureVersions, requireAzureVersions } from './versions.ts'

/** Blobs of Azure as block blobs of a container. Source: spec 04, 4.3.3. */
export const azureBackend: BackendType<AzureOptions> = {
  name: 'azureBlob',
  parse: parseAzureOptions,
  async open(options) {
    const client = await azureClient(options)
    const storage = new AzureStorage(options, client)
    await storage.prove()
    if (options.atMs === undefined) return storage
    const source = azureVersions(client, options)
    await requireAzureVersions(source, options)
    return pointInTimeView(storage, source, options.atMs)
  },
}

const untilAfter = (periodNs: bigint): Date => new Date(systemClock.nowMs() + Number(periodNs / 1_000_000n))

class AzureStorage implements BlobStorage {
  readonly backend = 'azureBlob'
  readonly extras: BlobExtras = { extendRetention: (id, _mode, periodNs) => this.extend(id, periodNs) }
  readonly displayName: string
  readonly connection: { readonly type: string; readonly config: unknown }

  constructor(
    private readonly options: AzureOptions,
    private readonly client: ContainerClient,
  ) {
    this.displayName = `Azure: ${options.container}`
    this.connection = { type: 'azureBlob', config: options.json }
  }

  /** Lists what cannot exist, to see that the container is there and lets us in. */
  async prove(): Promise<void> {
    for await (const _ of this.list(`kopia-azure-storage-initializing-${systemClock.nowNs()}`)) return
  }

  async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    if (range) checkRange(id, range)
    return readBlob(this.client.getBlobClient(this.options.prefix + id), this.options, id, range)
  }

  async stat(id: BlobId): Promise<BlobInfo> {
    const found = await this.try(`look at blob ${id}`, id, () => this.client.getBlobClient(this.options.prefix + id).getProperties())
    return { id, sizeBytes: found.contentLength ?? 0, modifiedMs: entryTimeMs(mtimeOf(found.metadata), found.lastModified?.getTime() ?? 0) }
  }

  async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    const start = this.options.prefix
    let token: string | undefined
    do {
      const page = await patient('listing blobs', () =>
        this.try('list blobs', undefined, async () => {
          const pages = this.client.listBlobsFlat({ prefix: start + prefix, includeMetadata: true })
          return (await pages.byPage(token ? { continuationToken: token } : {}).next()).value
        }),
      )
      for (const { name, properties, metadata } of page?.segment.blobItems ?? []) {
        const modifiedMs = entryTimeMs(mtimeOf(metadata), properties.lastModified.getTime())
        yield { id: name.slice(start.length), sizeBytes: properties.contentLength ?? 0, modifiedMs }
      }
      token = page?.continuationToken || undefined
    } while (token)
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    if (options.onlyIfAbsent) throw new UnsupportedOptionError('azureBlob', 'writing only what is absent')
    const data = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
    const entry = timeEntry(options.modifiedMs)
    const { retention } = options
    const reply = await this.try(`write blob ${id}`, undefined, () =>
      this.client.getBlockBlobClient(this.options.prefix + id).upload(data, data.length, {
        blobHTTPHeaders: { blobContentMD5: createHash('md5').update(data).digest() },
        ...(entry ? { metadata: { Kopiamtime: entry } } : {}),
        ...(retention ? { immutabilityPolicy: { policyMode: 'Locked', expiriesOn: untilAfter(retention.periodNs) } } : {}),
      }),
    )
    return { id, sizeBytes: data.length, modifiedMs: reply.lastModified?.getTime() ?? 0 }
  }

  async delete(id: BlobId): Promise<void> {
    const blob = this.client.getBlobClient(this.options.prefix + id)
    try {
      await blob.delete()
    } catch (error) {
      if (azureCode(error) === 'BlobImmutableDueToPolicy') return this.coverAndDelete(id)
      const failure = azureFailure(error, this.options, `delete blob ${id}`, id)
      if (!(failure instanceof BlobNotFoundError)) throw failure
    }
  }

  async close(): Promise<void> {
    // The SDK's connections are shared by the process and close by themselves.
  }

  /** A locked version stays; a new, empty version that can be deleted is put over it, and its deletion hides the blob. */
  private async coverAndDelete(id: BlobId): Promise<void> {
    const blob = this.client.getBlockBlobClient(this.options.prefix + id)
    const cover = { policyMode: 'Unlocked', expiriesOn: untilAfter(60_000_000_000n) } as const
    const version = await this.try(`delete blob ${id}`, undefined, async () => {
      const { versionId } = await blob.upload('', 0, { immutabilityPolicy: cover })
      await blob.deleteImmutabilityPolicy()
      await blob.delete()
      return versionId
    })
    // The cover itself is only untidy when it stays.
    if (version)
      await blob
        .withVersion(version)
        .delete()
        .catch(() => undefined)
  }

  private async extend(id: BlobId, periodNs: bigint): Promise<void> {
    const policy = { policyMode: 'Locked', expiriesOn: untilAfter(periodNs) } as const
    const blob = this.client.getBlobClient(this.options.prefix + id)
    await this.try(`extend the retention of blob ${id}`, id, () => blob.setImmutabilityPolicy(policy))
  }

  private async try<T>(verb: string, id: BlobId | undefined, action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      throw azureFailure(error, this.options, verb, id)
    }
  }
}
