import {
  type BigIntStats,
  closeSync,
  constants,
  type Dirent,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs'
import { KuraError, systemCode } from '#base/errors.ts'
import { decodeName, encodeName, isSafeName } from '#snapshot/model/raw-name.ts'

/** A dot-ignore file that is there and cannot be used. */
export class IgnoreFileError extends KuraError {
  readonly code = 'IGNORE_FILE'
}

/** One entry of a local directory, from one lstat (spec 07, 7.1.1). */
export interface LocalEntry {
  /** Without the placeholder suffix. A byte that is not UTF-8 is a lone surrogate (raw-name.ts); see `rawName`. */
  readonly name: string
  /** Bytes of `name`, only when they are not UTF-8. */
  readonly rawName: Buffer | undefined
  /** File, directory, symlink; '' for device, pipe, socket. */
  readonly type: 'f' | 'd' | 's' | ''
  /** lstat failed: only name and type are known, and `failure` says why. */
  readonly isDenied: boolean
  /** What lstat threw: permission denied, the end of a dead mount, an input/output error. Undefined when all is well. */
  readonly failure: unknown
  /** A shallow placeholder: the name on disk has `.kopia-entry` behind it. */
  readonly isPlaceholder: boolean
  /** Permission bits 07777. */
  readonly mode: number
  /** 0 for directories. */
  readonly sizeBytes: number
  readonly modifiedNs: bigint
  readonly uid: number
  readonly gid: number
  readonly device: number
  readonly inode: bigint
  readonly linkCount: number
}

export const placeholderSuffix = '.kopia-entry'

const nameOnDisk = (e: LocalEntry): string => (e.isPlaceholder ? e.name + placeholderSuffix : e.name)

/** Path of an entry on disk. A Buffer as soon as a name on the way is not UTF-8. */
export function childPath(directory: string | Buffer, entry: LocalEntry): string | Buffer {
  if (typeof directory === 'string' && entry.rawName === undefined)
    return directory.endsWith('/') ? directory + nameOnDisk(entry) : `${directory}/${nameOnDisk(entry)}`
  const parent = typeof directory === 'string' ? Buffer.from(directory) : directory
  return Buffer.concat([parent, Buffer.from('/'), encodeName(nameOnDisk(entry))])
}

/** All entries of a directory in the order of the system. Entries that vanish meanwhile are left out, those that cannot be looked at
 *  are marked. Throws the system error when the directory itself cannot be read. */
export function scanDirectory(path: string | Buffer): LocalEntry[] {
  const names = readdirSync(path, { encoding: 'buffer', withFileTypes: true })
  const parent = (typeof path === 'string' ? path : path.toString('latin1')).replace(/\/$/, '')
  const bytes = typeof path === 'string' ? undefined : Buffer.from(parent, 'latin1')
  const entries: LocalEntry[] = []
  for (const dirent of names) {
    const raw = dirent.name
    const name = decodeName(raw)
    const isUtf8 = name.isWellFormed()
    const full = bytes === undefined && isUtf8 ? `${parent}/${name}` : Buffer.concat([bytes ?? Buffer.from(parent), Buffer.from('/'), raw])
    const entry = statEntry(full, name, isUtf8 ? undefined : raw, dirent)
    if (entry) entries.push(entry)
  }
  return entries
}

function statEntry(path: string | Buffer, name: string, rawName: Buffer | undefined, dirent: Dirent<Buffer>): LocalEntry | undefined {
  let stats: BigIntStats | undefined
  try {
    stats = lstatSync(path, { bigint: true, throwIfNoEntry: false })
    if (!stats) return undefined
  } catch (error) {
    // Kopia fails the whole directory unless permission was denied; one dead mount would then take its neighbours along.
    return systemCode(error) === 'ENOENT' ? undefined : deniedEntry(name, rawName, typeOf(dirent), error)
  }
  return entryOf(attributesOf(stats), name, rawName)
}

/** An entry that could not be looked at. */
export const deniedEntry = (name: string, rawName: Buffer | undefined, type: LocalEntry['type'], failure: unknown): LocalEntry => ({
  name,
  rawName,
  type,
  isDenied: true,
  failure,
  isPlaceholder: false,
  mode: 0,
  sizeBytes: 0,
  modifiedNs: 0n,
  uid: 0,
  gid: 0,
  device: 0,
  inode: 0n,
  linkCount: 1,
})

const typeOf = (d: Dirent<Buffer>): LocalEntry['type'] => (d.isFile() ? 'f' : d.isDirectory() ? 'd' : d.isSymbolicLink() ? 's' : '')

const formats: Readonly<Record<number, LocalEntry['type']>> = {
  [constants.S_IFREG]: 'f',
  [constants.S_IFDIR]: 'd',
  [constants.S_IFLNK]: 's',
}

/** File, directory or symlink by the bits of a full mode; '' for the rest. */
export const typeOfMode = (fullMode: number): LocalEntry['type'] => formats[fullMode & constants.S_IFMT] ?? ''

/** What lstat says of an entry. */
export interface LocalAttributes extends Pick<LocalEntry, 'modifiedNs' | 'uid' | 'gid' | 'device' | 'inode' | 'linkCount'> {
  readonly fullMode: number
  /** Of directories too. */
  readonly size: number
}

/** An entry of lstat's result. A symlink with the placeholder suffix is of no supported type. */
export function entryOf(attributes: LocalAttributes, diskName: string, rawName?: Buffer): LocalEntry {
  const { fullMode, size, modifiedNs, uid, gid, device, inode, linkCount } = attributes
  const type = typeOfMode(fullMode)
  const suffixed = diskName.endsWith(placeholderSuffix) && diskName.length > placeholderSuffix.length
  const isPlaceholder = suffixed && (type === 'f' || type === 'd')
  return {
    name: isPlaceholder ? diskName.slice(0, -placeholderSuffix.length) : diskName,
    rawName: isPlaceholder ? rawName?.subarray(0, -placeholderSuffix.length) : rawName,
    type: suffixed && !isPlaceholder ? '' : type,
    isDenied: false,
    failure: undefined,
    isPlaceholder,
    mode: fullMode & 0o7777,
    sizeBytes: type === 'd' ? 0 : size,
    modifiedNs,
    uid,
    gid,
    device,
    inode,
    linkCount,
  }
}

const attributesOf = (stats: BigIntStats): LocalAttributes => ({
  fullMode: Number(stats.mode),
  size: Number(stats.size),
  modifiedNs: stats.mtimeNs,
  uid: Number(stats.uid),
  gid: Number(stats.gid),
  device: Number(stats.dev),
  inode: stats.ino,
  linkCount: Number(stats.nlink),
})

/** lstat of one path, under the given name. Throws the system error. */
export const statLocal = (path: string | Buffer, name: string): LocalEntry => entryOf(attributesOf(lstatSync(path, { bigint: true })), name)

/** Name of the file that marks a cache. */
export const cacheTag = 'CACHEDIR.TAG'
const cacheSignature = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55')

/** Whether a directory with these entries (of those called CACHEDIR.TAG at least) says that it is a cache. Any problem with reading the tag means no. Source: spec 07, 7.2.1. */
export function isCacheDirectory(path: string | Buffer, entries: readonly LocalEntry[]): boolean {
  const tag = entries.find((e) => e.name === cacheTag)
  if (tag?.type !== 'f' || tag.isPlaceholder || tag.sizeBytes < cacheSignature.length) return false
  try {
    const fd = openSync(childPath(path, tag), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const head = Buffer.alloc(cacheSignature.length)
      return readSync(fd, head, 0, head.length, 0) === head.length && head.equals(cacheSignature)
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}

const maxIgnoreFileBytes = 64 << 20

/** Text of the ignore file `name` in a directory with these entries; undefined if there is none. A symlink is followed to a regular file.
 *  Throws IgnoreFileError if that fails, or the file cannot be read. Source: spec 07, 7.2.2. */
export function readIgnoreFile(path: string | Buffer, entries: readonly LocalEntry[], name: string): string | undefined {
  if (!isSafeName(name)) return undefined
  const entry = entries.find((e) => e.name === name && !e.isPlaceholder && (e.type === 'f' || e.type === 's'))
  if (!entry) return undefined
  const file = childPath(path, entry)
  try {
    const stats = statSync(file)
    if (!stats.isFile()) throw new IgnoreFileError(`the ignore file ${String(file)} does not lead to a regular file. Remove or replace it.`)
    if (stats.size > maxIgnoreFileBytes) throw new IgnoreFileError(`the ignore file ${String(file)} is larger than 64 MiB. Shorten it.`)
    return decodeName(readFileSync(file))
  } catch (error) {
    if (error instanceof IgnoreFileError) throw error
    throw new IgnoreFileError(`cannot read the ignore file ${String(file)}: ${systemCode(error) ?? String(error)}`, { cause: error })
  }
}
