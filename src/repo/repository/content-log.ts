import { randomBytes } from 'node:crypto'
import type { Clock } from '#base/clock.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { StorageCall } from '#repo/blob/wrap/log.ts'
import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import { sealBlob } from '#repo/crypto/blob-sealing.ts'

export interface ContentLogOptions {
  /** Whether what a writing command did is also kept in the repository, for "logs show". */
  readonly keepsInRepository: boolean
  /** Gets each record as one line of JSON with its end. */
  readonly onLine?: ((line: string) => void) | undefined
  /** Gets each record as the trace of storage calls has it: name of the operation and details. */
  readonly onTrace?: ((operation: string, details: string) => void) | undefined
  /** Hears why a log could not be kept; it is no failure of anything else. */
  readonly note?: ((message: string) => void) | undefined
}

/** Where the log of a repository is kept, and how it is sealed. */
export interface LogPlace {
  readonly blobs: BlobStorage
  readonly hasher: Hasher
  readonly cipher: Cipher
}

const operations: Readonly<Record<StorageCall['operation'], string>> = {
  get: 'GetBlob',
  stat: 'GetMetadata',
  list: 'ListBlobs',
  put: 'PutBlob',
  delete: 'DeleteBlob',
  capacity: 'GetCapacity',
  extendRetention: 'ExtendBlobRetention',
  close: 'Close',
}
const prefix = '_log_'
/** From here on a log of a long run is stored in a further segment. */
const segmentLength = 1 << 20
const idAlphabet = 'abcdefghijklmnopqrstuvwxyz234567'

const randomId = (): string => [...randomBytes(8)].map((byte) => idAlphabet[byte % idAlphabet.length]).join('')

/** What is done with the storage of one repository, as lines of JSON. They go where the options say; from the first write on they are
 *  kept in the repository, too, as sealed `_log_` blobs (spec 01, 1.19; spec 06, 14.5). */
export class ContentLog {
  readonly #span = `"span:client":"${randomId()}","span:repo":"${randomId()}"`
  readonly #name: string
  #place: LogPlace | undefined
  #lines: string[] = []
  #length = 0
  #hasWritten = false
  #startSeconds = 0
  #segment = 0
  #storing: Promise<void> = Promise.resolve()

  constructor(
    readonly options: ContentLogOptions,
    readonly clock: Clock,
  ) {
    const at = new Date(clock.nowMs())
    const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace(/\D/g, '')
    this.#name = `${prefix}${local}_${randomBytes(2).toString('hex')}`
  }

  /** Says where the log can be kept; until then nothing is. */
  attach(place: LogPlace): void {
    this.#place = place
  }

  note(call: StorageCall): void {
    if ((call.blob ?? call.prefix ?? '').startsWith(prefix)) return
    const { onLine, onTrace, keepsInRepository } = this.options
    const operation = operations[call.operation]
    const details = detailsOf(call)
    onTrace?.(operation, details)
    if (call.operation === 'put' || call.operation === 'delete') this.#hasWritten ||= call.error === undefined
    const keeps = keepsInRepository && this.#hasWritten
    if (!onLine && !keeps) return
    const line = `{"t":"${microseconds(this.clock.nowNs())}",${this.#span},"n":"storage","m":"${operation}",${details.slice(1)}\n`
    onLine?.(line)
    if (!keeps) return
    if (this.#lines.length === 0) this.#startSeconds = Math.floor(this.clock.nowMs() / 1000)
    this.#lines.push(line)
    this.#length += line.length
    if (this.#length > segmentLength && this.#place) this.#storeSegment(this.#place)
  }

  /** Stores what is left. Nothing is thrown: whoever cannot keep a log has still done his work. */
  async end(): Promise<void> {
    if (this.#place && this.#lines.length > 0) this.#storeSegment(this.#place)
    await this.#storing
  }

  #storeSegment({ blobs, hasher, cipher }: LogPlace): void {
    const text = this.#lines.join('')
    this.#lines = []
    this.#length = 0
    const name = `${this.#name}_${this.#startSeconds}_${Math.floor(this.clock.nowMs() / 1000)}_${++this.#segment}_`
    const { id, data } = sealBlob(hasher, cipher, name, process.getBuiltinModule('node:zlib').gzipSync(text))
    this.#storing = this.#storing
      .then(() => blobs.put(id, [data]))
      .then(
        () => undefined,
        (error: unknown) => this.options.note?.(`the log ${id} could not be kept: ${String(error)}`),
      )
  }
}

/** `2026-01-31T12:00:00.123456Z`. */
function microseconds(ns: bigint): string {
  const iso = new Date(Number(ns / 1_000_000n)).toISOString()
  return `${iso.slice(0, -1)}${String((ns / 1000n) % 1000n).padStart(3, '0')}Z`
}

/** Members of a record that tell of one call. Times are microseconds. */
function detailsOf(call: StorageCall): string {
  const { operation, blob, prefix: listed, range, sizeBytes, resultCount, durationMs, error } = call
  const members: Record<string, string | number | null> = {}
  if (blob !== undefined) members['blobID'] = blob
  if (listed !== undefined) members['prefix'] = listed
  if (operation === 'get') {
    members['offset'] = range?.offset ?? 0
    members['length'] = range?.length ?? -1
    members['outputLength'] = sizeBytes ?? 0
  } else if (sizeBytes !== undefined) members['length'] = sizeBytes
  if (resultCount !== undefined) members['resultCount'] = resultCount
  members['error'] = error === undefined ? null : error instanceof Error ? error.message : String(error)
  members['duration'] = Math.round(durationMs * 1000)
  return JSON.stringify(members)
}
