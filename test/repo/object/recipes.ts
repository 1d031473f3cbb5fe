import { createHash } from 'node:crypto'

/** Test data of objects.json. */
export function recipe(name: string, length: number): Buffer {
  if (name === 'zero') return Buffer.alloc(length)
  if (name === 'seven') return Buffer.alloc(length, Buffer.from(Array.from({ length: 256 }, (_, i) => (7 * i) & 0xff)))
  if (name === 'text') return sampleText(length)
  const out = Buffer.allocUnsafe(Math.ceil(length / 32) * 32)
  const counter = Buffer.alloc(8)
  for (let i = 0; i * 32 < length; i++) {
    counter.writeUInt32BE(i, 4)
    createHash('sha256')
      .update(counter)
      .digest()
      .copy(out, i * 32)
  }
  return out.subarray(0, length)
}

function sampleText(length: number): Buffer {
  const lines: string[] = []
  for (let k = 0, bytes = 0; bytes < length; k++) bytes += lines[lines.push(`line ${k} of the sample text\n`) - 1]?.length ?? 0
  return Buffer.from(lines.join('').slice(0, length))
}
