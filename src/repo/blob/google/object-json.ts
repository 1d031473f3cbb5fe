import type { JsonObject } from '#base/json-read.ts'
import type { BlobInfo } from '../storage.ts'
import { entryTimeMs } from '../time-entry.ts'

/** One object, as the JSON interface of Google Cloud Storage describes it, as far as it is used. */
export interface ObjectJson extends JsonObject {
  readonly name?: string
  readonly size?: string
  readonly timeCreated?: string
  readonly timeDeleted?: string
  readonly generation?: string
  readonly metadata?: Readonly<Record<string, string>>
}

export interface ObjectPage extends JsonObject {
  readonly items?: readonly ObjectJson[]
  readonly nextPageToken?: string
}

export const objectFields = 'name,size,timeCreated,timeDeleted,generation,metadata'

/** Size and time of an object; the time that was asked for beats that of its creation (spec 04, 4.1.5). */
export function infoOf(json: ObjectJson, prefixLength: number): BlobInfo {
  return {
    id: (json.name ?? '').slice(prefixLength),
    sizeBytes: Number(json.size ?? 0),
    modifiedMs: entryTimeMs(json.metadata?.['Kopia-Mtime'], Date.parse(json.timeCreated ?? '') || 0),
  }
}
