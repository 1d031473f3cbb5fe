import { attrOutBytes, direntBytes, direntPlusBytes, entryOutBytes, fileKind, openFlag, openOutBytes, statfsOutBytes } from './abi.ts'
import type { Attributes, AttributesReply, ByteName, DirectoryPage, Entry, Opened, Statistics } from './operations.ts'

/** Encoders of reply bodies (spec 08, 3.3). Each writes at `at`, returns the number of bytes, and leaves no byte unwritten. */
export function encodeAttributes(into: Buffer, at: number, a: Attributes): void {
  writeU64(into, at, a.inode)
  writeU64(into, at + 8, a.sizeBytes)
  writeU64(into, at + 16, a.blocks)
  writeU64(into, at + 24, a.accessedSeconds)
  writeU64(into, at + 32, a.modifiedSeconds)
  writeU64(into, at + 40, a.changedSeconds)
  into.writeUInt32LE(a.accessedNs, at + 48)
  into.writeUInt32LE(a.modifiedNs, at + 52)
  into.writeUInt32LE(a.changedNs, at + 56)
  into.writeUInt32LE(a.mode, at + 60)
  into.writeUInt32LE(a.linkCount, at + 64)
  into.writeUInt32LE(a.uid, at + 68)
  into.writeUInt32LE(a.gid, at + 72)
  into.writeUInt32LE(a.device, at + 76)
  into.writeUInt32LE(a.blockBytes, at + 80)
  into.writeUInt32LE(0, at + 84)
}

export function encodeEntry(into: Buffer, at: number, entry: Entry): number {
  writeU64(into, at, entry.node)
  writeU64(into, at + 8, entry.generation)
  writeTimeout(into, at + 16, at + 32, entry.entrySeconds)
  writeTimeout(into, at + 24, at + 36, entry.attributesSeconds)
  if (entry.node === 0) into.fill(0, at + 40, at + entryOutBytes)
  else encodeAttributes(into, at + 40, entry.attributes)
  return entryOutBytes
}

export function encodeAttributesReply(into: Buffer, at: number, reply: AttributesReply): number {
  writeTimeout(into, at, at + 8, reply.attributesSeconds)
  into.writeUInt32LE(0, at + 12)
  encodeAttributes(into, at + 16, reply.attributes)
  return attrOutBytes
}

export function encodeOpened(into: Buffer, at: number, opened: Opened): number {
  let flags = 0
  if (opened.direct) flags |= openFlag.direct
  if (opened.keepCache) flags |= openFlag.keepCache
  if (opened.cacheListing) flags |= openFlag.cacheListing
  if (opened.noFlush) flags |= openFlag.noFlush
  writeU64(into, at, opened.handle)
  into.writeUInt32LE(flags, at + 8)
  into.writeUInt32LE(0, at + 12)
  return openOutBytes
}

export function encodeCreated(into: Buffer, at: number, [entry, opened]: readonly [Entry, Opened]): number {
  encodeEntry(into, at, entry)
  return entryOutBytes + encodeOpened(into, at + entryOutBytes, opened)
}

export function encodeStatistics(into: Buffer, at: number, s: Statistics): number {
  into.fill(0, at, at + statfsOutBytes)
  writeU64(into, at, s.blocks)
  writeU64(into, at + 8, s.freeBlocks)
  writeU64(into, at + 16, s.availableBlocks)
  writeU64(into, at + 24, s.files)
  writeU64(into, at + 32, s.freeFiles)
  into.writeUInt32LE(s.blockBytes, at + 40)
  into.writeUInt32LE(s.nameBytes, at + 44)
  into.writeUInt32LE(s.blockBytes, at + 48)
  return statfsOutBytes
}

/** A number as u64; negative ones in two's complement (seconds before 1970). */
export function writeU64(into: Buffer, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  into.writeUInt32LE(value - high * 0x1_0000_0000, at)
  into.writeInt32LE(high | 0, at + 4)
}

function writeTimeout(into: Buffer, secondsAt: number, nsAt: number, seconds: number): void {
  const whole = Math.floor(seconds)
  writeU64(into, secondsAt, whole)
  into.writeUInt32LE(Math.floor((seconds - whole) * 1e9), nsAt)
}

/** A page of READDIR or READDIRPLUS, written straight into the reply (spec 08, 3.6). */
export class EncodedPage implements DirectoryPage {
  /** Bytes used so far. */
  used = 0
  /** Nodes whose lookup count this page raises. */
  readonly nodes: number[] = []

  /** `start` is where the body begins in `into`, `limit` the bytes the kernel takes. */
  constructor(
    private readonly into: Buffer,
    private readonly start: number,
    private readonly limit: number,
    private readonly plus: boolean,
  ) {}

  add(name: Uint8Array | ByteName, cookie: number, inode: number, kind: number): boolean {
    if (!this.plus) return this.put(name, cookie, inode, kind, 0)
    const at = this.start + this.used
    if (!this.put(name, cookie, inode, kind, entryOutBytes)) return false
    this.into.fill(0, at, at + entryOutBytes)
    return true
  }

  addEntry(name: Uint8Array | ByteName, cookie: number, entry: Entry): boolean {
    const { inode, mode } = entry.attributes
    if (!this.plus) return this.put(name, cookie, inode, mode, 0)
    const at = this.start + this.used
    if (!this.put(name, cookie, inode, mode, entryOutBytes)) return false
    encodeEntry(this.into, at, entry)
    if (entry.node !== 0) this.nodes.push(entry.node)
    return true
  }

  private put(name: Uint8Array | ByteName, cookie: number, inode: number, kind: number, ahead: number): boolean {
    const size = (ahead + direntBytes + name.length + 7) & ~7
    if (this.used + size > this.limit) return false
    const at = this.start + this.used + ahead
    const into = this.into
    writeU64(into, at, inode)
    writeU64(into, at + 8, cookie)
    into.writeUInt32LE(name.length, at + 16)
    into.writeUInt32LE((kind & fileKind.mask) >> 12, at + 20)
    if (typeof name === 'string') into.write(name, at + direntBytes, 'latin1')
    else into.set(name, at + direntBytes)
    this.used += size
    into.fill(0, at + direntBytes + name.length, this.start + this.used)
    return true
  }
}

/** Bytes one record of a page takes; for tests and limits. */
export const recordBytes = (nameBytes: number, plus: boolean): number => ((plus ? direntPlusBytes : direntBytes) + nameBytes + 7) & ~7
