import type { Attributes, Entry, FuseOperations } from '#fuse/operations.ts'
import { KernelSession } from '#fuse/session.ts'

/** A kernel made of bytes: builds requests, collects replies. */
export interface Wire {
  readonly session: KernelSession
  /** Sends one request and returns its unique ID. */
  send(opcode: number, node: number, body?: Buffer): number
  /** The reply to a request: error number (positive) and body; undefined while there is none. More than one reply throws. */
  reply(unique: number): { readonly error: number; readonly body: Buffer } | undefined
  readonly replies: Buffer[]
  readonly reported: unknown[]
  /** Refuse the next replies as the kernel does when the caller is gone. */
  refuse: boolean
}

let lastUnique = 2

export function wire(operations: FuseOperations, options: { readOnly?: boolean; init?: boolean } = {}): Wire {
  const replies: Buffer[] = []
  const reported: unknown[] = []
  const self = { refuse: false }
  const session = new KernelSession(
    operations,
    (header, body) => {
      if (self.refuse) return false
      replies.push(Buffer.concat([header, body ?? Buffer.alloc(0)]))
      return true
    },
    { readOnly: options.readOnly ?? true, report: (_operation, error) => reported.push(error) },
  )
  const send = (opcode: number, node: number, body: Buffer = Buffer.alloc(0)): number => {
    lastUnique += 2
    session.receive(request(opcode, lastUnique, node, body))
    return lastUnique
  }
  const reply = (unique: number): { error: number; body: Buffer } | undefined => {
    const found = replies.filter((r) => r.readUInt32LE(8) === unique)
    if (found.length > 1) throw new Error('answered twice')
    const [only] = found
    if (only === undefined) return undefined
    if (only.readUInt32LE(0) !== only.length) throw new Error('the length in the header is wrong')
    return { error: 0 - only.readInt32LE(4), body: only.subarray(16) }
  }
  const made = Object.assign(self, { session, send, reply, replies, reported })
  if (options.init ?? true) {
    send(26, 0, initBody())
    replies.length = 0
  }
  return made
}

export function request(opcode: number, unique: number, node: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(40 + Math.ceil(body.length / 8) * 8)
  bytes.writeUInt32LE(40 + body.length, 0)
  bytes.writeUInt32LE(opcode, 4)
  bytes.writeBigUInt64LE(BigInt(unique), 8)
  bytes.writeBigUInt64LE(BigInt(node), 16)
  bytes.writeUInt32LE(1000, 24)
  bytes.writeUInt32LE(1001, 28)
  bytes.writeUInt32LE(4242, 32)
  body.copy(bytes, 40)
  return bytes
}

/** What Linux 6.18 offers (spec 08, 3.2). */
export function initBody(minor = 45, flags = 0x73fffffb, flags2 = 0x5fd, major = 7): Buffer {
  const body = Buffer.alloc(64)
  body.writeUInt32LE(major, 0)
  body.writeUInt32LE(minor, 4)
  body.writeUInt32LE(131072, 8)
  body.writeUInt32LE(flags >>> 0, 12)
  body.writeUInt32LE(flags2, 16)
  return body
}

export const name = (text: string): Buffer => Buffer.from(`${text}\0`, 'latin1')

/** A body of little-endian numbers: [value, bytes] pairs. */
export function fields(...parts: readonly (readonly [number | bigint, 4 | 8] | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (Buffer.isBuffer(part)) return part
      const bytes = Buffer.alloc(part[1])
      if (part[1] === 4) bytes.writeUInt32LE(Number(part[0]), 0)
      else bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(part[0])), 0)
      return bytes
    }),
  )
}

export const attributes: Attributes = {
  inode: 0x1_2345_6789,
  sizeBytes: 5_000_000_000,
  blocks: 9_765_625,
  accessedSeconds: -5,
  accessedNs: 1,
  modifiedSeconds: 1_700_000_000,
  modifiedNs: 123_456_789,
  changedSeconds: 3,
  changedNs: 999_999_999,
  mode: 0o100644,
  linkCount: 1,
  uid: 1000,
  gid: 1001,
  device: 1281,
  blockBytes: 4096,
}

export const entry = (node: number): Entry => ({ node, generation: 0, entrySeconds: 86_400, attributesSeconds: 1.5, attributes })
