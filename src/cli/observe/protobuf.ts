const varintBits = 7

/** Writes Protocol Buffers: fields of a message in the order of the calls. */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = []

  finish(): Buffer {
    return Buffer.concat(this.#parts)
  }

  varint(field: number, value: number | bigint): this {
    this.#parts.push(varint(BigInt(field) << 3n), varint(BigInt(value)))
    return this
  }

  double(field: number, value: number): this {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(value)
    this.#parts.push(varint((BigInt(field) << 3n) | 1n), bytes)
    return this
  }

  /** A text, bytes, or a message within this one. */
  bytes(field: number, value: string | Uint8Array | ProtoWriter): this {
    const data = value instanceof ProtoWriter ? value.finish() : typeof value === 'string' ? Buffer.from(value) : value
    this.#parts.push(varint((BigInt(field) << 3n) | 2n), varint(BigInt(data.length)), data)
    return this
  }

  /** A packed list of integers. */
  packed(field: number, values: readonly (number | bigint)[]): this {
    return this.bytes(field, Buffer.concat(values.map((value) => varint(BigInt(value)))))
  }
}

/** An integer as a varint; a negative one as 64 bits. */
export function varint(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest > 0x7fn; rest >>= BigInt(varintBits)) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}
