import { attrOutBytes, entryOutBytes, openOutBytes, statfsOutBytes } from './abi.ts'
import type { Request } from './decode.ts'
import { EncodedPage, encodeAttributesReply, encodeEntry, encodeOpened, encodeStatistics } from './encode.ts'
import { errno, FuseError } from './errno.ts'
import { type Opcode, opcode, type ReplyBody } from './opcodes.ts'
import type { AttributesReply, DirectoryPage, Entry, FuseOperations, Opened, Reply, Statistics } from './operations.ts'

export const entryBody = (entry: Entry, body: ReplyBody): number => encodeEntry(body.room(entryOutBytes), body.at, entry)
export const attributesBody = (reply: AttributesReply, body: ReplyBody): number =>
  encodeAttributesReply(body.room(attrOutBytes), body.at, reply)
export const openedBody = (opened: Opened, body: ReplyBody): number => encodeOpened(body.room(openOutBytes), body.at, opened)
export const noBody = (): number => 0
export const forgetEntry = (operations: FuseOperations, entry: Entry): void => {
  if (entry.node !== 0) operations.forget?.(entry.node, 1)
}

/** The answer to GETXATTR and LISTXATTR: the size alone when the caller's buffer has none, ERANGE when it is too small. */
function sizedValue(value: Uint8Array, body: ReplyBody, request: Request): number | Uint8Array {
  const limit = request.u32(0)
  if (limit === 0) {
    const into = body.room(8)
    into.writeUInt32LE(value.length, body.at)
    into.writeUInt32LE(0, body.at + 4)
    return 8
  }
  if (value.length > limit) throw new FuseError(errno.ERANGE)
  return value
}

interface Page {
  readonly page: EncodedPage
  readonly bytes: Buffer
}

type ReadDirectory = NonNullable<FuseOperations['readdir']>

/** READDIR body: fh 0, offset 8, size 16. Each page has a buffer of its own, since filling it may wait. */
function readPage(request: Request, plus: boolean, read: ReadDirectory | undefined, operations: FuseOperations): Reply<Page> | undefined {
  if (read === undefined) return undefined
  const limit = Math.min(request.u32(16), 1 << 20)
  const bytes = Buffer.allocUnsafe(limit)
  const page = new EncodedPage(bytes, 0, limit, plus)
  const filled = read.call(operations, request, request.node, request.u64(0), request.u64(8), page as DirectoryPage)
  return filled instanceof Promise ? filled.then(() => ({ page, bytes })) : { page, bytes }
}

const pageBody = ({ page, bytes }: Page): Uint8Array => bytes.subarray(0, page.used)

/** What a read-only file system needs (spec 08, 3.4). */
export const readOpcodes: readonly Opcode[] = [
  opcode<Entry>(1, 'LOOKUP', {
    needs: 'lookup',
    call: (o, r) => o.lookup(r, r.node, r.name(0)),
    encode: entryBody,
    undo: forgetEntry,
  }),
  opcode<AttributesReply>(3, 'GETATTR', {
    needs: 'getattr',
    call: (o, r) => o.getattr(r, r.node, (r.u32(0) & 1) !== 0 ? r.u64(8) : undefined),
    encode: attributesBody,
  }),
  opcode<Uint8Array>(5, 'READLINK', { needs: 'readlink', call: (o, r) => o.readlink?.(r, r.node), encode: (target) => target }),
  opcode<Opened>(14, 'OPEN', {
    needs: 'open',
    call: (o, r) => o.open?.(r, r.node, r.u32(0), (r.u32(4) & 1) !== 0),
    encode: openedBody,
    undo: (o, { handle }, r) => void o.release?.(r.node, handle),
  }),
  opcode<Uint8Array>(15, 'READ', {
    needs: 'read',
    interruptible: true,
    call: (o, r) => o.read?.(r, r.node, r.u64(0), r.u64(8), r.u32(16)),
    encode: (data, _body, r) => (data.length > r.u32(16) ? data.subarray(0, r.u32(16)) : data),
  }),
  opcode<Statistics>(17, 'STATFS', {
    needs: 'statfs',
    call: (o, r) => o.statfs?.(r, r.node),
    encode: (statistics, body) => encodeStatistics(body.room(statfsOutBytes), body.at, statistics),
  }),
  opcode<void>(18, 'RELEASE', { needs: 'release', call: (o, r) => o.release?.(r.node, r.u64(0)), encode: noBody }),
  opcode<Uint8Array>(22, 'GETXATTR', { needs: 'getxattr', call: (o, r) => o.getxattr?.(r, r.node, r.name(8)), encode: sizedValue }),
  opcode<readonly string[]>(23, 'LISTXATTR', {
    needs: 'listxattr',
    call: (o, r) => o.listxattr?.(r, r.node),
    encode: (names, body, r) => sizedValue(Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'), body, r),
  }),
  opcode<Opened>(27, 'OPENDIR', {
    needs: 'opendir',
    call: (o, r) => o.opendir?.(r, r.node, r.u32(0)),
    encode: openedBody,
    undo: (o, { handle }, r) => void o.releasedir?.(r.node, handle),
  }),
  opcode<Page>(28, 'READDIR', { needs: 'readdir', call: (o, r) => readPage(r, false, o.readdir, o), encode: pageBody }),
  opcode<Page>(44, 'READDIRPLUS', {
    needs: 'readdirplus',
    call: (o, r) => readPage(r, true, o.readdirplus, o),
    encode: pageBody,
    undo: (o, { page }) => {
      for (const node of page.nodes) o.forget?.(node, 1)
    },
  }),
  opcode<void>(29, 'RELEASEDIR', { needs: 'releasedir', call: (o, r) => o.releasedir?.(r.node, r.u64(0)), encode: noBody }),
  opcode<void>(34, 'ACCESS', { needs: 'access', call: (o, r) => o.access?.(r, r.node, r.u32(0)), encode: noBody }),
]
