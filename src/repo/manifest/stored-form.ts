import { promisify } from 'node:util'
import { gunzip, gunzipSync, gzip, gzipSync } from 'node:zlib'
import { goJson, goString, sortedMap } from '#base/go-json.ts'
import { jsonText } from '#base/json-read.ts'
import { formatTimeNs, parseTimeNs } from '#base/time.ts'
import { JsonCursor } from './json-cursor.ts'
import type { Labels } from './manifest.ts'

/** One entry of a manifest content (spec 03, 4.1). */
export interface ManifestEntry {
  readonly id: string
  /** Empty in deletion markers. */
  readonly labels: Labels
  readonly modifiedNs: bigint
  readonly deleted: boolean
  /** Payload as it is stored; `null` in deletion markers. */
  readonly json: string
}

const syncBelowBytes = 65536
/** Manifests take two kilobytes each; this holds all that anybody has, and not what a bomb expands to. */
const maxPlainBytes = 256 << 20

/** Plaintext of a content holding `entries`: gzip of stream-form JSON. Source: spec 03, 4.1. */
export async function encodeEntries(entries: Iterable<ManifestEntry>): Promise<Buffer> {
  const parts: string[] = []
  for (const entry of entries) parts.push(entryJson(entry))
  const text = Buffer.from(`{"entries":[${parts.join(',')}]}\n`)
  return text.length < syncBelowBytes ? gzipSync(text) : promisify(gzip)(text)
}

function entryJson({ id, labels, modifiedNs, deleted, json }: ManifestEntry): string {
  const head = `{"id":${goString(id)},"labels":${deleted ? 'null' : goJson(sortedMap(labels))},"modified":"${formatTimeNs(modifiedNs)}"`
  return deleted ? `${head},"deleted":true,"data":null}` : `${head},"data":${json}}`
}

/** Inverse of encodeEntries; follows the reader rules of spec 03, 4.1. Throws what zlib, jsonText, JSON.parse and parseTimeNs throw. */
export async function decodeEntries(stored: Uint8Array): Promise<ManifestEntry[]> {
  const options = { maxOutputLength: maxPlainBytes }
  const plain = stored.length < syncBelowBytes ? gunzipSync(stored, options) : await promisify(gunzip)(stored, options)
  return parseEntries(jsonText(plain, 'it'))
}

/** The JSON inside. Throws SyntaxError or TimeFormatError. */
export function parseEntries(text: string): ManifestEntry[] {
  const cursor = new JsonCursor(text)
  let entries: ManifestEntry[] | undefined
  cursor.members((key) => {
    if (key.toLowerCase() !== 'entries') {
      if (!cursor.value().startsWith('"')) throw new SyntaxError(`the member "${key}" is unknown`)
      return
    }
    if (entries) throw new SyntaxError('the entries come twice')
    const list: ManifestEntry[] = []
    cursor.elements(() => list.push(parseEntry(cursor)))
    entries = list
  })
  return entries ?? []
}

function parseEntry(cursor: JsonCursor): ManifestEntry {
  const raw: Record<string, string> = {}
  cursor.members((key) => {
    const value = cursor.value()
    const name = key.toLowerCase()
    // A name that matches exactly wins over one that differs in case.
    if (key === name || raw[name] === undefined) raw[name] = value
  })
  const member = (name: string): unknown => (raw[name] === undefined ? undefined : (JSON.parse(raw[name]) ?? undefined))
  const id = member('id') ?? ''
  const labels = member('labels') ?? {}
  const modified = member('modified') ?? '0001-01-01T00:00:00Z'
  const deleted = member('deleted') ?? false
  if (typeof id !== 'string' || typeof modified !== 'string' || typeof deleted !== 'boolean')
    throw new SyntaxError('an entry has a member of a wrong type')
  if (typeof labels !== 'object' || Array.isArray(labels) || Object.values(labels).some((v) => typeof v !== 'string'))
    throw new SyntaxError(`the labels of entry ${id} are not texts`)
  return { id, labels: labels as Labels, modifiedNs: parseTimeNs(modified), deleted, json: raw['data'] ?? 'null' }
}
