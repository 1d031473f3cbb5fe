import { join } from 'node:path'
import { crc32c } from '#repo/compression/crc32c.ts'
import { type Change, ChangeWriter, readChanges } from './changes.ts'
import { type SpoolFiles, writeFully } from './spool-files.ts'

/** What stands at the head of a journal (spec 08, 4.5). */
export interface JournalHeader {
  /** 2: the bytes in the spool are encrypted. */
  readonly version: 1 | 2
  readonly repositoryId: string
  readonly source: string
  readonly lower: { readonly snapshotId: string; readonly rootObject: string } | undefined
  readonly xattrs: string
  /** Key of an encrypted spool, sealed by a key of the repository. */
  readonly sealedKey?: string | undefined
  readonly machineId: string
  readonly bootId: string
  readonly lastFlushId: string
  /** Relative, as all node numbers in the journal. */
  readonly nextNode: number
}

export interface ReadJournal {
  readonly header: JournalHeader
  /** Bytes up to which all is well, of all there are. */
  readonly goodBytes: number
  readonly totalBytes: number
  /** Good records follow behind the bad one: damage, not a torn end. */
  readonly isDamaged: boolean
  readonly sequence: number
}

const magic = Buffer.from('KURASTG1')
const headBytes = 17
const pageBytes = 1 << 20
const maxRecordBytes = 256 * 1024 * 1024

export const journalPath = (directory: string): string => join(directory, 'journal')

/** Append-only file of records {length u32, CRC-32C u32, sequence f64, type u8, payload}; little-endian. */
export class Journal {
  private readonly writer: ChangeWriter
  private end: number
  private sequence: number
  private syncing: Promise<void> | undefined
  private queued: Promise<void> | undefined
  private synced = 0
  /** The last fdatasync failed: what it lost is written again by the next checkpoint (the kernel says a failure only once). */
  private hasFailed = false
  /** Bytes right after the last checkpoint. */
  private baseBytes: number

  constructor(
    private readonly files: SpoolFiles,
    private readonly directory: string,
    private readonly firstNode: number,
    private fd: number,
    end: number,
    sequence: number,
  ) {
    this.writer = new ChangeWriter(firstNode)
    this.end = end
    this.baseBytes = end
    this.sequence = sequence
  }

  get needsCheckpoint(): boolean {
    return this.hasFailed || this.end > 64 * 1024 * 1024 + this.baseBytes || (this.end > 4 * this.baseBytes && this.end > 4 * 1024 * 1024)
  }

  /** A sync failed: only a checkpoint brings what it should have. */
  get mustBeRewritten(): boolean {
    return this.hasFailed
  }

  /** One record, in the file when this returns. Throws what the disk says; then nothing of it counts. */
  append(changes: readonly Change[]): void {
    const record = seal(this.writer.write(changes, headBytes), this.sequence + 1)
    writeFully(this.files, this.fd, record, this.end)
    this.end += record.length
    this.sequence++
  }

  /** All records appended before the call are on disk. Calls that come together share one fdatasync. */
  async sync(): Promise<void> {
    if (this.syncing !== undefined) {
      this.queued ??= this.syncing
        .catch(() => undefined)
        .then(() => {
          this.queued = undefined
          return this.start()
        })
      return this.queued
    }
    return this.start()
  }

  private start(): Promise<void> {
    const { end, fd } = this
    if (this.hasFailed) return Promise.reject(Object.assign(new Error('the journal could not be synced before'), { code: 'EIO' }))
    if (this.synced === end) return Promise.resolve()
    this.syncing = this.files
      .dataSync(fd)
      .then(
        () => {
          this.synced = end
        },
        (error: unknown) => {
          this.hasFailed = true
          throw error
        },
      )
      .finally(() => {
        this.syncing = undefined
      })
    return this.syncing
  }

  /** As `sync`, but waits: for when the spool is full and must be freed at once. */
  syncNow(): void {
    if (this.hasFailed || this.synced === this.end) return
    this.files.fullSync(this.fd)
    if (this.syncing === undefined) this.synced = this.end
  }

  get isSyncing(): boolean {
    return this.syncing !== undefined
  }

  /** Waits until no sync runs. Another may have begun when the caller goes on: `isSyncing` says so. */
  async settled(): Promise<void> {
    while (this.syncing !== undefined) await this.syncing.catch(() => undefined)
  }

  /** Writes the whole table as a new journal and puts it in the place of this one. To be called when `settled`. On failure the old one
   *  stays in use. */
  checkpoint(header: JournalHeader, table: Iterable<readonly Change[]>): void {
    const made = createJournalFile(this.files, this.directory, this.firstNode, header, table, this.sequence)
    this.files.close(this.fd)
    this.fd = made.fd
    this.end = this.synced = this.baseBytes = made.end
    this.sequence = made.sequence
    this.hasFailed = false
  }

  close(): void {
    this.files.close(this.fd)
  }
}

function seal(record: Buffer, sequence: number): Buffer {
  record.writeUInt32LE(record.length - headBytes, 0)
  record.writeDoubleLE(sequence, 8)
  record[16] = 1
  record.writeUInt32LE(crc32c(record.subarray(8)), 4)
  return record
}

/** A journal with that table: new file, fsync, rename, fsync of the folder. Returns its descriptor, open. */
export function createJournalFile(
  files: SpoolFiles,
  directory: string,
  firstNode: number,
  header: JournalHeader,
  table: Iterable<readonly Change[]>,
  sequence: number,
): { readonly fd: number; readonly end: number; readonly sequence: number } {
  const temporary = `${journalPath(directory)}.new`
  const fd = files.open(temporary, true)
  try {
    files.truncate(fd, 0)
    const text = Buffer.from(JSON.stringify(header))
    const head = Buffer.alloc(magic.length + 8)
    magic.copy(head)
    head.writeUInt32LE(text.length, magic.length)
    head.writeUInt32LE(crc32c(text), magic.length + 4)
    const first = Buffer.concat([head, text])
    writeFully(files, fd, first, 0)
    let end = first.length
    const writer = new ChangeWriter(firstNode)
    const page = Buffer.allocUnsafe(pageBytes)
    let filled = 0
    const put = (bytes: Buffer): void => {
      writeFully(files, fd, bytes, end)
      end += bytes.length
    }
    for (const changes of table) {
      const record = seal(writer.write(changes, headBytes), ++sequence)
      if (filled + record.length > pageBytes) {
        put(page.subarray(0, filled))
        filled = 0
      }
      if (record.length > pageBytes) put(record)
      else filled += record.copy(page, filled)
    }
    put(page.subarray(0, filled))
    files.fullSync(fd)
    files.rename(temporary, journalPath(directory))
    files.syncFolder(directory)
    return { fd, end, sequence }
  } catch (error) {
    files.close(fd)
    throw error
  }
}

/** Reads a journal; `apply` gets each good record. Undefined when the head is not one of ours or is damaged. */
export function readJournal(data: Buffer, firstNode: number, apply: (changes: Change[]) => void): ReadJournal | undefined {
  const start = magic.length + 8
  if (data.length < start || !data.subarray(0, magic.length).equals(magic)) return undefined
  const headerBytes = data.readUInt32LE(magic.length)
  const text = data.subarray(start, start + headerBytes)
  if (text.length < headerBytes || crc32c(text) !== data.readUInt32LE(magic.length + 4)) return undefined
  const header = JSON.parse(text.toString()) as JournalHeader
  let at = start + headerBytes
  let sequence = 0
  for (;;) {
    const payload = recordAt(data, at)
    if (payload === undefined) break
    let changes: Change[]
    try {
      changes = readChanges(payload, firstNode)
    } catch {
      break
    }
    apply(changes)
    sequence = data.readDoubleLE(at + 8)
    at += headBytes + payload.length
  }
  return { header, goodBytes: at, totalBytes: data.length, isDamaged: hasRecordBehind(data, at, sequence), sequence }
}

function recordAt(data: Buffer, at: number): Buffer | undefined {
  if (at + headBytes > data.length) return undefined
  const length = data.readUInt32LE(at)
  if (length > maxRecordBytes || at + headBytes + length > data.length) return undefined
  const body = data.subarray(at + 8, at + headBytes + length)
  if (data[at + 16] !== 1 || crc32c(body) !== data.readUInt32LE(at + 4)) return undefined
  return data.subarray(at + headBytes, at + headBytes + length)
}

function hasRecordBehind(data: Buffer, at: number, sequence: number): boolean {
  for (let i = at + 1; i + headBytes <= data.length; i++) {
    if (data[i + 16] !== 1) continue
    const next = data.readDoubleLE(i + 8)
    if (Number.isSafeInteger(next) && next > sequence && next < sequence + 1e9 && recordAt(data, i) !== undefined) return true
  }
  return false
}
