import { allIds } from '#repo/content/content-info.ts'
import type { NewRepositoryOptions } from '#repo/repository/create.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'

/** What goes into a repository: its format, and an object of each size, with each of the compressors in turn. */
export interface Input {
  readonly format: NewRepositoryOptions
  readonly compressors: readonly string[]
  readonly sizes: readonly number[]
  readonly seed: number
}

/** Bytes that hardly compress and others that do, in runs. The same for the same size and seed. */
export function bytesOf(size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  let state = (seed * 2654435761 + size) >>> 0 || 1
  for (let at = 0; at < size; ) {
    const run = Math.min(size - at, 1 + (state % 50_000))
    const period = state % 3 === 0 ? 1 + (state % 999) : 0
    for (const end = at + run; at < end; at++) {
      if (period > 0 && at >= period) bytes[at] = bytes[at - period] as number
      else {
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        bytes[at] = state >>> 11
      }
    }
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0 || 1
  }
  return bytes
}

/** Writes the objects and gives their IDs, small ones as a batch. */
export async function writeObjects(repository: DirectRepository, { compressors, sizes, seed }: Input): Promise<string[]> {
  const ids: string[] = []
  for (const [i, size] of sizes.entries()) {
    const compressor = compressors[i % compressors.length] as string
    const writer = repository.objects.createWriter({
      prefix: i % 5 === 4 ? 'k' : '',
      compressor,
      metadataCompressor: compressor,
      splitter: '',
    })
    const data = bytesOf(size, seed)
    // In pieces that end anywhere: cuts must not depend on them.
    for (let at = 0; at < size; ) {
      const piece = Math.min(size - at, 1 + ((seed * 7919 + at * 31) % 3_000_000))
      await writer.write(data.subarray(at, at + piece))
      at += piece
    }
    ids.push(await writer.finish())
  }
  const small = sizes.filter((size) => size < 50_000)
  const options = { prefix: '', compressor: compressors[0] as string, metadataCompressor: '', splitter: '' }
  ids.push(...(await repository.objects.writeMany(small.map((size) => ({ data: bytesOf(size, seed + 1), options })))))
  await repository.flush()
  return ids
}

/** Contents as both codes must have made them. Lengths by zstd may differ: there are two libraries. */
export function contentsOf(repository: DirectRepository, compressors: readonly string[]): unknown[] {
  const isExact = !compressors.some((name) => name.startsWith('zstd'))
  return [...repository.contents.iterate(allIds, true)].map((c) => [
    c.id,
    c.originalLength,
    c.compressionHeader,
    c.formatVersion,
    isExact ? c.packedLength : 0,
  ])
}
