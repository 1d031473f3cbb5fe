import fc from 'fast-check'
import { KuraError } from '#base/errors.ts'

/** Runs of every property here. Seeded, so that a failure can be had again; KURA_FUZZ_RUNS and KURA_FUZZ_SEED for longer hunts. */
export const bounded: fc.Parameters<unknown> = {
  numRuns: Number(process.env['KURA_FUZZ_RUNS'] ?? 400),
  seed: Number(process.env['KURA_FUZZ_SEED'] ?? 20260101),
  interruptAfterTimeLimit: process.env['KURA_FUZZ_RUNS'] ? 60_000 : 8000,
}

interface Edit {
  readonly kind: number
  readonly place: number
  readonly byte: number
  readonly length: number
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.nat(5),
  place: fc.double({ min: 0, max: 1, noNaN: true }),
  byte: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x22, 0x5b, 0x7b, 0x2c), fc.nat(255)),
  length: fc.nat(12),
})

/** One of the samples with a few bytes changed, removed, doubled or inserted, or its end cut off. */
export const damaged = (...samples: readonly Uint8Array[]): fc.Arbitrary<Buffer> =>
  fc
    .tuple(fc.constantFrom(...samples), fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([sample, edits]) => edits.reduce(apply, Buffer.from(sample)))

function apply(bytes: Buffer, { kind, place, byte, length }: Edit): Buffer {
  const at = Math.floor(place * bytes.length)
  const head = bytes.subarray(0, at)
  if (kind === 0) return Buffer.from(head)
  if (kind === 1) return Buffer.concat([head, bytes.subarray(at + length)])
  if (kind === 2) return Buffer.concat([head, bytes.subarray(at, at + length), bytes.subarray(at)])
  if (kind === 3) return Buffer.concat([head, Buffer.alloc(length, byte), bytes.subarray(at)])
  if (kind === 4) return Buffer.concat([head, Buffer.alloc(Math.min(length, bytes.length - at), byte), bytes.subarray(at + length)])
  const copy = Buffer.from(bytes)
  if (copy.length > 0) copy[Math.min(at, copy.length - 1)] = (copy[Math.min(at, copy.length - 1)] ?? 0) ^ (byte || 1)
  return copy
}

/** The result, or undefined for an error that Kura throws on purpose. Anything else fails the property. */
export async function tolerated<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof KuraError) return undefined
    throw error
  }
}

/** Checks that `read` gives a result or an error of Kura, for anything that damage can make of the samples. */
export async function survives(read: (bytes: Buffer) => unknown, ...samples: readonly Uint8Array[]): Promise<void> {
  let tries = 0
  await fc.assert(
    fc.asyncProperty(damaged(...samples), async (bytes) => {
      tries++
      await tolerated(() => read(bytes))
    }),
    bounded as fc.Parameters<[Buffer]>,
  )
  if (tries < 20) throw new Error(`only ${tries} samples were tried`)
}
