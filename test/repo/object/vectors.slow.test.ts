import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createObjectManager } from '#repo/object/manager.ts'
import { sharedPath } from '../../support/shared.ts'
import { FakeContents } from './fake-contents.ts'
import { recipe } from './recipes.ts'

interface Vectors {
  readonly files: readonly { readonly name: string; readonly recipe: string; readonly n: number }[]
  readonly splitters: readonly { readonly splitter: string; readonly objects: Readonly<Record<string, string>> }[]
}
const vectors = JSON.parse(readFileSync(sharedPath('spec/vectors/objects.json'), 'utf8')) as Vectors
const secret = Uint8Array.from({ length: 32 }, (_, i) => 0x40 + i)
const files = vectors.files.map((f) => ({ name: f.name, data: recipe(f.recipe, f.n) }))

it.each(vectors.splitters)('$splitter gives the object IDs of Kopia for all files', async ({ splitter, objects: expected }) => {
  const objects = createObjectManager({ contents: new FakeContents(secret), format: { splitter, indexVersion: 2 } })
  for (const { name, data } of files) {
    const writer = objects.createWriter({ prefix: '', compressor: '', metadataCompressor: '', splitter: '' })
    for (let at = 0; at < data.length; at += 1_000_003) await writer.write(data.subarray(at, at + 1_000_003))
    expect(await writer.finish(), name).toBe(expected[name])
  }
})
