import { gzipSync } from 'node:zlib'
import { ProtoWriter } from './protobuf.ts'

export interface Frame {
  readonly name: string
  readonly file: string
  readonly line: number
}

export interface ProfileSample {
  /** The innermost call first. */
  readonly stack: readonly Frame[]
  readonly values: readonly number[]
}

export interface PprofInput {
  /** What each value counts, and its unit. */
  readonly valueTypes: readonly (readonly [type: string, unit: string])[]
  readonly samples: readonly ProfileSample[]
  readonly startMs: number
  readonly durationMs: number
}

/** A profile as `pprof` reads it: gzipped protocol buffers. Source: profile.proto of the pprof project. */
export function encodePprof({ valueTypes, samples, startMs, durationMs }: PprofInput): Buffer {
  const strings = new Table([''])
  const frames = new Table<string>()
  const known: Frame[] = []
  const profile = new ProtoWriter()
  for (const [type, unit] of valueTypes)
    profile.bytes(1, new ProtoWriter().varint(1, strings.indexOf(type)).varint(2, strings.indexOf(unit)))
  for (const { stack, values } of samples) {
    const ids = stack.map((frame) => {
      const index = frames.indexOf(`${frame.name}\n${frame.file}\n${frame.line}`)
      known[index] = frame
      return index + 1
    })
    profile.bytes(2, new ProtoWriter().packed(1, ids).packed(2, values.map(Math.round)))
  }
  known.forEach(({ line }, i) => {
    profile.bytes(4, new ProtoWriter().varint(1, i + 1).bytes(4, new ProtoWriter().varint(1, i + 1).varint(2, Math.max(0, line))))
  })
  known.forEach(({ name, file }, i) => {
    const text = strings.indexOf(name === '' ? '(anonymous)' : name)
    profile.bytes(
      5,
      new ProtoWriter()
        .varint(1, i + 1)
        .varint(2, text)
        .varint(3, text)
        .varint(4, strings.indexOf(file)),
    )
  })
  for (const text of strings.items) profile.bytes(6, text)
  profile.varint(9, BigInt(Math.round(startMs)) * 1_000_000n).varint(10, BigInt(Math.round(durationMs)) * 1_000_000n)
  return gzipSync(profile.finish())
}

/** Items by number, each once. */
class Table<T> {
  readonly #numbers = new Map<T, number>()
  readonly items: T[] = []

  constructor(items: readonly T[] = []) {
    for (const item of items) this.indexOf(item)
  }

  indexOf(item: T): number {
    const found = this.#numbers.get(item)
    if (found !== undefined) return found
    this.items.push(item)
    this.#numbers.set(item, this.items.length - 1)
    return this.items.length - 1
  }
}
