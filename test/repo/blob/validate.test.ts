import { expect, test } from 'vitest'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobInfo, BlobStorage, ByteRange, PutOptions } from '#repo/blob/storage.ts'
import { UnfitStorageError, validateStorage } from '#repo/blob/validate.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'

const quick = { connections: 3, concurrencyMs: 700, putWorkers: 2, getWorkers: 2, statWorkers: 2, largestBytes: 10_000 }

async function validate(
  wrap: (inner: BlobStorage) => BlobStorage,
  concurrencyMs = quick.concurrencyMs,
): Promise<{ lines: string[]; left: number }> {
  const blobs = new Map<string, StoredBlob>()
  const lines: string[] = []
  const open = async () => wrap(memoryStorage(undefined, blobs))
  try {
    await validateStorage(await open(), open, { ...quick, concurrencyMs, say: (line) => lines.push(line) })
  } finally {
    lines.push(`left ${blobs.size}`)
  }
  return { lines, left: blobs.size }
}

test('a sound storage passes, and nothing is left in it', async () => {
  const { lines, left } = await validate((s) => s)
  expect(lines).toContain('All good.')
  expect(left).toBe(0)
})

class Wrong extends ForwardingStorage {
  constructor(
    inner: BlobStorage,
    private readonly changes: Partial<BlobStorage>,
  ) {
    super(inner)
  }
  override get(id: string, range?: ByteRange): Promise<Buffer> {
    return this.changes.get?.(id, range) ?? super.get(id, range)
  }
  override put(id: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    return this.changes.put?.(id, parts, options) ?? super.put(id, parts, options)
  }
  override stat(id: string): Promise<BlobInfo> {
    return this.changes.stat?.(id) ?? super.stat(id)
  }
}

test.each<[string, RegExp, (inner: BlobStorage) => Partial<BlobStorage>]>([
  ['replaces what must not be replaced', /replaced a blob/, (inner) => ({ put: (id, parts) => inner.put(id, parts) })],
  ['ignores ranges', /other bytes/, (inner) => ({ get: (id) => inner.get(id) })],
  ['invents absent blobs', /does not exist gave something/, (inner) => ({ get: (id) => inner.get(id).catch(() => Buffer.alloc(0)) })],
  [
    'has a wrong clock',
    /clocks .* differ by/,
    (inner) => ({ stat: async (id) => ({ ...(await inner.stat(id)), modifiedMs: Date.now() - 600_000 }) }),
  ],
  [
    'shows partial writes',
    /partly there|wrong length/,
    (inner) => ({
      put: async (id, parts, options) => {
        if (!/^z.{36}b/.test(id)) return inner.put(id, parts, options)
        await inner.put(id, [Buffer.alloc(1)])
        await new Promise((resolve) => setTimeout(resolve, 100))
        return inner.put(id, parts, options)
      },
    }),
  ],
])('a storage that %s fails, and is cleaned up', async (_what, message, changes) => {
  // It ends with the first fault, however long that takes.
  const outcome = await validate((inner) => new Wrong(inner, changes(inner)), 60_000).catch((error: unknown) => error)
  expect(outcome).toBeInstanceOf(UnfitStorageError)
  expect(String(outcome)).toMatch(message)
})
