import type { ByteName } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Range } from './extents.ts'

export interface NodeFacts {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly links: number
  readonly accessedSeconds: number
  readonly accessedNs: number
  readonly modifiedSeconds: number
  readonly modifiedNs: number
  readonly changedSeconds: number
  readonly changedNs: number
}

/** What an operation changes. The same list goes into the journal and is applied to the table, so that a replay gives the same. */
export type Change =
  | { readonly type: 'node'; readonly node: number; readonly facts: NodeFacts }
  /** 0 = hidden (whiteout), -1 = nothing said: what the lower directory has. */
  | { readonly type: 'name'; readonly directory: number; readonly name: ByteName; readonly node: number }
  | { readonly type: 'base'; readonly node: number; readonly objectId: ObjectId | ''; readonly sizeBytes: number }
  | { readonly type: 'target'; readonly node: number; readonly target: Uint8Array }
  | { readonly type: 'range'; readonly node: number; readonly range: Range }
  | { readonly type: 'size'; readonly node: number; readonly sizeBytes: number }
  | { readonly type: 'xattr'; readonly node: number; readonly name: ByteName; readonly value: Uint8Array | undefined }
  /** Left out of a snapshot on purpose: kept, but not counted as waiting. */
  | { readonly type: 'leftOut'; readonly node: number }

const codes = ['', 'node', 'name', 'base', 'target', 'range', 'size', 'xattr', 'leftOut'] as const
const sources = ['zero', 'spool', 'lower'] as const

/** Packs changes into the bytes of one journal record. Node numbers are written relative to the first one of the mount, so that a
 *  staging area can be mounted at another place among the sources. */
export class ChangeWriter {
  private buffer = Buffer.allocUnsafe(4096)
  private end = 0

  constructor(private readonly firstNode: number) {}

  /** The result is valid until the next call. `headBytes` are left free in front. */
  write(changes: readonly Change[], headBytes: number): Buffer {
    this.end = headBytes
    for (const change of changes) this.one(change)
    return this.buffer.subarray(0, this.end)
  }

  private room(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.end + bytes))
    this.buffer.copy(larger, 0, 0, this.end)
    this.buffer = larger
  }

  private number(value: number): void {
    this.end = this.buffer.writeDoubleLE(value, this.end)
  }

  private word(value: number): void {
    this.end = this.buffer.writeInt32LE(value | 0, this.end)
  }

  private bytes(value: Uint8Array | string): void {
    this.room(value.length + 64)
    this.word(value.length)
    if (typeof value === 'string') this.buffer.write(value, this.end, 'latin1')
    else this.buffer.set(value, this.end)
    this.end += value.length
  }

  private one(change: Change): void {
    this.room(128)
    this.buffer[this.end++] = codes.indexOf(change.type)
    this.number((change.type === 'name' ? change.directory : change.node) - this.firstNode)
    switch (change.type) {
      case 'node':
        this.facts(change.facts)
        break
      case 'name':
        this.number(change.node > 0 ? change.node - this.firstNode : change.node)
        this.bytes(change.name)
        break
      case 'base':
        this.number(change.sizeBytes)
        this.bytes(change.objectId)
        break
      case 'target':
        this.bytes(change.target)
        break
      case 'range':
        this.buffer[this.end++] = sources.indexOf(change.range.source)
        this.number(change.range.offset)
        this.number(change.range.length)
        this.number(change.range.generation)
        this.number(change.range.lowerOffset)
        this.bytes(change.range.objectId)
        break
      case 'size':
        this.number(change.sizeBytes)
        break
      case 'xattr':
        this.buffer[this.end++] = change.value === undefined ? 0 : 1
        this.bytes(change.name)
        this.bytes(change.value ?? '')
        break
      case 'leftOut':
        break
    }
  }

  private facts(facts: NodeFacts): void {
    this.word(facts.mode)
    this.word(facts.uid)
    this.word(facts.gid)
    this.word(facts.links)
    this.number(facts.accessedSeconds)
    this.word(facts.accessedNs)
    this.number(facts.modifiedSeconds)
    this.word(facts.modifiedNs)
    this.number(facts.changedSeconds)
    this.word(facts.changedNs)
  }
}

/** Thrown for bytes that are no changes although their checksum was right. */
export class BadRecord extends Error {}

/** Unpacks the payload of a record. Throws BadRecord. */
export function readChanges(payload: Buffer, firstNode: number): Change[] {
  const reader = new ChangeReader(payload, firstNode)
  const changes: Change[] = []
  try {
    while (!reader.atEnd) changes.push(reader.one())
  } catch (error) {
    throw error instanceof BadRecord ? error : new BadRecord('the record ends early')
  }
  return changes
}

class ChangeReader {
  private at = 0
  constructor(
    private readonly data: Buffer,
    private readonly firstNode: number,
  ) {}

  get atEnd(): boolean {
    return this.at >= this.data.length
  }

  private number(): number {
    const value = this.data.readDoubleLE(this.at)
    if (!Number.isSafeInteger(value)) throw new BadRecord('a number is out of bounds')
    this.at += 8
    return value
  }

  private child(): number {
    const value = this.number()
    return value > 0 ? value + this.firstNode : value
  }

  private word(): number {
    const value = this.data.readUInt32LE(this.at)
    this.at += 4
    return value
  }

  private byte(): number {
    return this.data.readUInt8(this.at++)
  }

  private bytes(): Buffer {
    const length = this.word()
    if (length > this.data.length - this.at) throw new BadRecord('a text is longer than its record')
    return Buffer.from(this.data.subarray(this.at, (this.at += length)))
  }

  private text(): string {
    return this.bytes().toString('latin1')
  }

  one(): Change {
    const type = codes[this.byte()]
    const node = this.number() + this.firstNode
    switch (type) {
      case 'node':
        return { type, node, facts: this.facts() }
      case 'name':
        return { type, directory: node, node: this.child(), name: this.text() }
      case 'base':
        return { type, node, sizeBytes: this.number(), objectId: this.text() as ObjectId | '' }
      case 'target':
        return { type, node, target: this.bytes() }
      case 'range':
        return { type, node, range: this.range() }
      case 'size':
        return { type, node, sizeBytes: this.number() }
      case 'xattr': {
        const isSet = this.byte() === 1
        const name = this.text()
        const value = this.bytes()
        return { type, node, name, value: isSet ? value : undefined }
      }
      case 'leftOut':
        return { type, node }
      default:
        throw new BadRecord('a change of unknown type')
    }
  }

  private facts(): NodeFacts {
    return {
      mode: this.word(),
      uid: this.word(),
      gid: this.word(),
      links: this.word(),
      accessedSeconds: this.number(),
      accessedNs: this.word(),
      modifiedSeconds: this.number(),
      modifiedNs: this.word(),
      changedSeconds: this.number(),
      changedNs: this.word(),
    }
  }

  private range(): Range {
    const source = sources[this.byte()]
    if (source === undefined) throw new BadRecord('a range of unknown source')
    const [offset, length, generation, lowerOffset] = [this.number(), this.number(), this.number(), this.number()]
    if (offset < 0 || length < 0 || lowerOffset < 0) throw new BadRecord('a range out of bounds')
    return { source, offset, length, generation, lowerOffset, objectId: this.text() as ObjectId | '' }
  }
}
