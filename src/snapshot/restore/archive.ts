import { createWriteStream, lstatSync, rmSync } from 'node:fs'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { CancelledError } from '#base/errors.ts'
import { CorruptObjectError } from '#repo/object/errors.ts'
import type { ObjectId, ObjectReader } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { walkTree } from '#snapshot/tree/repository-tree.ts'
import { checkName } from './errors.ts'
import { newRestoreCounters, type RestoreFailure, type RestoreObserver, type RestoreResult } from './options.ts'

export type ArchiveMode = 'tar' | 'tgz' | 'zip' | 'zip-nocompress'

export interface ArchiveRequest {
  readonly repository: Repository
  readonly root: DirectoryEntry
  /** File to write; replaced if it exists. */
  readonly target: string
  readonly mode: ArchiveMode
  /** Sub-directories get the time that they had, not the newest one of what is in them. */
  readonly ownFolderTimes?: boolean
  readonly observer?: RestoreObserver
  readonly signal?: AbortSignal
}

/** One kind of archive while it is written. */
interface ArchiveWriter {
  readonly output: Readable
  add(name: string, entry: DirectoryEntry, body: ArchiveBody): Promise<void>
  end(): void
}

interface ArchiveBody {
  /** Undefined for directories. */
  readonly reader: ObjectReader | undefined
  /** Target of a symbolic link. */
  readonly link: string | undefined
  stream(): Readable
}

const readBytes = 1 << 20
const maxLinkBytes = 1 << 16
const latestSeconds = 2 ** 31 - 1

/** Restores a tree or a file to an archive. An entry that cannot be opened is left out and returned as a failure; one that breaks off
 *  later ends the archive, and no part of it is left. Source: spec 06, 7.3; spec 07, 7.4.5. */
export async function restoreArchive(request: ArchiveRequest): Promise<RestoreResult> {
  const { target, mode } = request
  const writer = mode === 'tar' || mode === 'tgz' ? await tarWriter() : await zipWriter(mode === 'zip')
  const file = createWriteStream(target)
  const written = mode === 'tgz' ? pipeline(writer.output, createGzip(), file) : pipeline(writer.output, file)
  let failed: Promise<never> | undefined
  try {
    failed = written.then(() => new Promise<never>(() => undefined))
    const result = await Promise.race([addTree(request, writer), failed])
    writer.end()
    await written
    return result
  } catch (error) {
    failed?.catch(() => undefined)
    writer.output.destroy()
    await written.catch(() => undefined)
    if (lstatSync(target, { throwIfNoEntry: false })?.isFile()) rmSync(target, { force: true })
    throw error
  }
}

async function addTree(request: ArchiveRequest, writer: ArchiveWriter): Promise<RestoreResult> {
  const { repository, root, mode, observer, signal, ownFolderTimes = false } = request
  const counters = newRestoreCounters()
  const failures: RestoreFailure[] = []
  const fail = (path: string, error: unknown) => {
    const failure = { path: path || '.', error }
    failures.push(failure)
    observer?.failed?.(failure)
  }
  const walk = walkTree(repository, root, { asStored: ownFolderTimes, onError: (item, error) => fail(item.path, error) })
  for await (const { path, entry } of walk) {
    if (signal?.aborted) throw new CancelledError('the restore was cancelled; nothing of the archive is left')
    const name = path === '' ? entry.name : path
    let body: ArchiveBody & { readonly sizeBytes: number }
    try {
      if (entry.type !== 'd' || path !== '') for (const part of name.split('/')) checkName(part)
      body = await openBody(repository, entry)
    } catch (error) {
      fail(path, error)
      continue
    }
    if (entry.type === 'd') {
      counters.directories++
      if (path !== '' && !mode.startsWith('zip')) await writer.add(`${name}/`, entry, body)
    } else if (entry.type === 's') {
      if (mode.startsWith('zip')) continue
      counters.symlinks++
      await writer.add(name, entry, body)
    } else {
      await writer.add(name, entry, body)
      counters.files++
      counters.bytes += body.sizeBytes
    }
    observer?.progress?.(counters)
  }
  return { counters, failures }
}

async function openBody(repository: Repository, entry: DirectoryEntry): Promise<ArchiveBody & { readonly sizeBytes: number }> {
  const id = entry.objectId as ObjectId
  const none = { reader: undefined, link: undefined, sizeBytes: 0, stream: () => Readable.from([]) }
  if (entry.type === 'd') return none
  if (entry.type === 's') return { ...none, link: (await repository.objects.readAll(id, maxLinkBytes)).toString() }
  const reader = await repository.objects.open(id)
  return { reader, link: undefined, sizeBytes: reader.sizeBytes, stream: () => Readable.from(bytesOf(id, reader)) }
}

async function* bytesOf(id: ObjectId, reader: ObjectReader): AsyncGenerator<Buffer> {
  try {
    for (let at = 0; at < reader.sizeBytes; ) {
      const buffer = Buffer.allocUnsafe(Math.min(readBytes, reader.sizeBytes - at))
      const got = await reader.read(buffer, at)
      if (got === 0) throw new CorruptObjectError(id, `it ends after ${at} of ${reader.sizeBytes} bytes`)
      yield buffer.subarray(0, got)
      at += got
    }
  } finally {
    reader.close()
  }
}

/** Archives have whole seconds in a range of their own. */
const timeOf = (entry: DirectoryEntry): Date =>
  new Date(Math.min(Math.max(Number(entry.modifiedNs / 1_000_000_000n), 0), latestSeconds) * 1000)

async function tarWriter(): Promise<ArchiveWriter> {
  const { pack } = await import('tar-stream')
  const tar = pack()
  return {
    output: tar as unknown as Readable,
    async add(name, entry, { reader, link, stream }) {
      const { mode, uid, gid } = entry
      const header = { name, mode: mode & 0o7777, uid, gid, mtime: timeOf(entry) }
      if (entry.type === 'd') tar.entry({ ...header, type: 'directory' })
      else if (link !== undefined) tar.entry({ ...header, type: 'symlink', linkname: link })
      else await pipeline(stream(), tar.entry({ ...header, type: 'file', size: reader?.sizeBytes ?? 0 }) as unknown as Writable)
    },
    end: () => tar.finalize(),
  }
}

const regularFile = 0o100000

async function zipWriter(compress: boolean): Promise<ArchiveWriter> {
  const { ZipFile } = await import('yazl')
  const zip = new ZipFile()
  return {
    output: zip.outputStream as unknown as Readable,
    add: (name, entry, { stream }) =>
      new Promise((resolve, reject) => {
        zip.once('error', reject)
        const options = { mtime: timeOf(entry), mode: regularFile | (entry.mode & 0o7777), compress }
        zip.addReadStreamLazy(name, options, (take) => {
          const data = stream()
          data.once('error', reject)
          data.once('close', () => {
            zip.off('error', reject)
            resolve()
          })
          take(null, data)
        })
      }),
    end: () => zip.end(),
  }
}
