import { entryOutBytes, openOutBytes, setattrValid } from './abi.ts'
import type { Request } from './decode.ts'
import { encodeCreated, writeU64 } from './encode.ts'
import { errno, FuseError } from './errno.ts'
import { type Opcode, opcode, type ReplyBody } from './opcodes.ts'
import type { AttributesChange, AttributesReply, Entry, FuseOperations, Opened, Reply } from './operations.ts'
import { attributesBody, entryBody, forgetEntry, noBody } from './read-opcodes.ts'

/** SETATTR body (spec 08, 3.5): valid 0, fh 8, size 16, times 32-72, mode 68, uid 76, gid 80. */
function attributesChange(r: Request): AttributesChange {
  const valid = r.u32(0)
  const has = (bit: number): boolean => (valid & bit) !== 0
  return {
    ...(has(setattrValid.handle) && { handle: r.u64(8) }),
    ...(has(setattrValid.mode) && { mode: r.u32(68) }),
    ...(has(setattrValid.uid) && { uid: r.u32(76) }),
    ...(has(setattrValid.gid) && { gid: r.u32(80) }),
    ...(has(setattrValid.size) && { sizeBytes: r.u64(16) }),
    ...(has(setattrValid.accessed) && { accessed: { seconds: r.i64(32), ns: r.u32(56) } }),
    ...(has(setattrValid.modified) && { modified: { seconds: r.i64(40), ns: r.u32(60) } }),
    ...(has(setattrValid.changed) && { changed: { seconds: r.i64(48), ns: r.u32(64) } }),
    ...(has(setattrValid.dropSetIds) && { dropSetIds: true }),
  }
}

function countBody(count: number, body: ReplyBody): number {
  writeU64(body.room(8), body.at, count)
  return 8
}

/** RENAME2 knows flags, RENAME has none; WHITEOUT (4) is refused. */
function renameFlags(flags: number): number {
  if ((flags & ~3) !== 0) throw new FuseError(errno.EINVAL)
  return flags
}

/** COPY_FILE_RANGE body (spec 08, 3.4): fh_in 0, off_in 8, nodeid_out 16, fh_out 24, off_out 32, len 40. */
function copyRange(o: FuseOperations, r: Request): Reply<number> | undefined {
  const from = { node: r.node, handle: r.u64(0), offset: r.u64(8) }
  const to = { node: r.u64(16), handle: r.u64(24), offset: r.u64(32) }
  return o.copyFileRange?.(r, from, to, Math.min(r.u64(40), maxCopyBytes))
}

function dropCreated(o: FuseOperations, [entry, { handle }]: readonly [Entry, Opened]): void {
  void o.release?.(entry.node, handle)
  forgetEntry(o, entry)
}

/** What one copy_file_range answers at most: the older reply has 32 bits. */
const maxCopyBytes = 0x7fff_f000
const writes = true

/** What a writable file system needs besides (spec 08, 3.4). SETXATTR has its 16-byte header: SETXATTR_EXT is always negotiated where the
 *  kernel offers it, else the header is 8 bytes and the name follows; `extended` tells. */
export const writeOpcodes = (extended: () => boolean): readonly Opcode[] => [
  opcode<AttributesReply>(4, 'SETATTR', {
    needs: 'setattr',
    writes,
    call: (o, r) => o.setattr?.(r, r.node, attributesChange(r)),
    encode: attributesBody,
  }),
  opcode<Entry>(6, 'SYMLINK', {
    needs: 'symlink',
    writes,
    call: (o, r) => o.symlink?.(r, r.node, r.name(0), r.text(r.afterName(0))),
    encode: entryBody,
    undo: forgetEntry,
  }),
  opcode<Entry>(8, 'MKNOD', {
    needs: 'mknod',
    writes,
    call: (o, r) => o.mknod?.(r, r.node, r.name(16), r.u32(0), r.u32(4)),
    encode: entryBody,
    undo: forgetEntry,
  }),
  opcode<Entry>(9, 'MKDIR', {
    needs: 'mkdir',
    writes,
    call: (o, r) => o.mkdir?.(r, r.node, r.name(8), r.u32(0)),
    encode: entryBody,
    undo: forgetEntry,
  }),
  opcode<void>(10, 'UNLINK', { needs: 'unlink', writes, call: (o, r) => o.unlink?.(r, r.node, r.name(0)), encode: noBody }),
  opcode<void>(11, 'RMDIR', { needs: 'rmdir', writes, call: (o, r) => o.rmdir?.(r, r.node, r.name(0)), encode: noBody }),
  opcode<void>(12, 'RENAME', {
    needs: 'rename',
    writes,
    call: (o, r) => o.rename?.(r, r.node, r.name(8), r.u64(0), r.name(r.afterName(8)), 0),
    encode: noBody,
  }),
  opcode<void>(45, 'RENAME2', {
    needs: 'rename',
    writes,
    call: (o, r) => o.rename?.(r, r.node, r.name(16), r.u64(0), r.name(r.afterName(16)), renameFlags(r.u32(8))),
    encode: noBody,
  }),
  opcode<Entry>(13, 'LINK', {
    needs: 'link',
    writes,
    call: (o, r) => o.link?.(r, r.u64(0), r.node, r.name(8)),
    encode: entryBody,
    undo: forgetEntry,
  }),
  opcode<readonly [Entry, Opened]>(35, 'CREATE', {
    needs: 'create',
    writes,
    call: (o, r) => o.create?.(r, r.node, r.name(16), r.u32(0), r.u32(4)),
    encode: (created, body) => encodeCreated(body.room(entryOutBytes + openOutBytes), body.at, created),
    undo: dropCreated,
  }),
  opcode<readonly [Entry, Opened]>(51, 'TMPFILE', {
    needs: 'tmpfile',
    writes,
    call: (o, r) => o.tmpfile?.(r, r.node, r.u32(0), r.u32(4)),
    encode: (created, body) => encodeCreated(body.room(entryOutBytes + openOutBytes), body.at, created),
    undo: dropCreated,
  }),
  opcode<number>(16, 'WRITE', {
    needs: 'write',
    writes,
    call: (o, r) => o.write?.(r, r.node, r.u64(0), r.u64(8), r.data(40, r.u32(16)), (r.u32(20) & 1) !== 0, (r.u32(20) & 4) !== 0),
    encode: countBody,
  }),
  opcode<void>(25, 'FLUSH', { needs: 'flush', call: (o, r) => o.flush?.(r, r.node, r.u64(0)), encode: noBody }),
  opcode<void>(20, 'FSYNC', { needs: 'fsync', call: (o, r) => o.fsync?.(r, r.node, r.u64(0), (r.u32(8) & 1) !== 0), encode: noBody }),
  opcode<void>(30, 'FSYNCDIR', {
    needs: 'fsyncdir',
    call: (o, r) => o.fsyncdir?.(r, r.node, r.u64(0), (r.u32(8) & 1) !== 0),
    encode: noBody,
  }),
  opcode<void>(21, 'SETXATTR', {
    needs: 'setxattr',
    writes,
    call: (o, r) => {
      const at = extended() ? 16 : 8
      return o.setxattr?.(r, r.node, r.name(at), r.data(r.afterName(at), r.u32(0)), r.u32(4))
    },
    encode: noBody,
  }),
  opcode<void>(24, 'REMOVEXATTR', {
    needs: 'removexattr',
    writes,
    call: (o, r) => o.removexattr?.(r, r.node, r.name(0)),
    encode: noBody,
  }),
  opcode<void>(43, 'FALLOCATE', {
    needs: 'fallocate',
    writes,
    call: (o, r) => o.fallocate?.(r, r.node, r.u64(0), r.u64(8), r.u64(16), r.u32(24)),
    encode: noBody,
  }),
  opcode<number>(46, 'LSEEK', {
    needs: 'lseek',
    call: (o, r) => o.lseek?.(r, r.node, r.u64(0), r.u64(8), r.u32(16)),
    encode: countBody,
  }),
  opcode<number>(47, 'COPY_FILE_RANGE', { needs: 'copyFileRange', writes, call: copyRange, encode: countBody }),
  opcode<number>(53, 'COPY_FILE_RANGE_64', { needs: 'copyFileRange', writes, call: copyRange, encode: countBody }),
]
