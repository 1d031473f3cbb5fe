import { asObject, memberOf } from '#base/json-read.ts'
import { StorageError } from '../errors.ts'
import type { BlobVersion, VersionSource } from '../point-in-time.ts'
import { patient } from '../wrap/patient.ts'
import type { GoogleApi } from './api.ts'
import { infoOf, type ObjectJson, type ObjectPage, objectFields } from './object-json.ts'

interface Place {
  readonly bucket: string
  readonly prefix: string
}

/** Throws StorageError unless the bucket keeps old versions. */
export async function requireGcsVersions(api: GoogleApi, base: string, { bucket }: Place): Promise<void> {
  const url = `${base}/storage/v1/b/${encodeURIComponent(bucket)}?fields=versioning`
  const json = await patient('looking at the bucket', () => api.json({ method: 'GET', url }, 'look at the versioning'))
  if (memberOf(asObject(json['versioning'], 'the bucket'), 'enabled') !== true)
    throw new StorageError(`bucket ${bucket} keeps no versions, so there is no past to show. Connect without --point-in-time.`)
}

/** Old versions of the objects in a bucket. A version that was replaced or deleted says when: the object was gone from then on, unless
 *  another version follows. Source: spec 04, 4.4. */
export function gcsVersions(api: GoogleApi, base: string, place: Place, atMs: number, read: VersionSource['getVersion']): VersionSource {
  return { versions: (prefix) => newestFirst(pages(api, base, place, prefix), place.prefix.length, atMs), getVersion: read }
}

async function* pages(api: GoogleApi, base: string, { bucket, prefix: start }: Place, prefix: string): AsyncIterable<ObjectJson> {
  let pageToken: string | undefined
  do {
    const fields = `nextPageToken,items(${objectFields})`
    const query = { prefix: start + prefix, versions: 'true', maxResults: '1000', fields, ...(pageToken ? { pageToken } : {}) }
    const url = `${base}/storage/v1/b/${encodeURIComponent(bucket)}/o?${new URLSearchParams(query)}`
    const page: ObjectPage = await patient('listing versions', () => api.json({ method: 'GET', url }, 'list versions'))
    yield* page.items ?? []
    pageToken = page.nextPageToken
  } while (pageToken)
}

async function* newestFirst(found: AsyncIterable<ObjectJson>, prefixLength: number, atMs: number): AsyncIterable<BlobVersion> {
  let group: BlobVersion[] = []
  for await (const item of found) {
    const info = infoOf(item, prefixLength)
    if (group[0] && group[0].id !== info.id) {
      yield* group.reverse()
      group = []
    }
    const deletedMs = item.timeDeleted ? Date.parse(item.timeDeleted) : Number.NaN
    group.push({ ...info, version: item.generation ?? '', deleted: deletedMs <= atMs })
  }
  yield* group.reverse()
}
