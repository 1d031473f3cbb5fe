import { afterAll, expect } from 'vitest'
import { formatTimeNs } from '#base/time.ts'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { prefixedIds, unprefixedIds } from '#repo/content/content-info.ts'
import { type DirectOptions, openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { type FixtureFacts, fixtureFacts, unpackFixture } from '../../support/fixtures.ts'

interface Facts extends FixtureFacts {
  readonly manifests?: readonly {
    readonly id: string
    readonly labels: Record<string, string>
    readonly length: number
    readonly mtime: string
  }[]
  readonly contents?: readonly ContentFact[]
  readonly blobs?: readonly { readonly id: string; readonly length: number }[]
  readonly status?: { readonly uniqueIDHex: string; readonly contentFormat: { hash: string; encryption: string; version: number } }
}

interface ContentFact {
  readonly contentID: string
  readonly packFile: string
  readonly time: number
  readonly length: number
  readonly packOffset: number
  readonly deleted: boolean
}

/** Opener of unpacked fixtures (read-only unless told otherwise); what it opened is closed and removed when the test file ends. */
export function fixtureOpener(): (name: string, password: string, options?: DirectOptions) => Promise<DirectRepository> {
  const opened: { close(): Promise<void>; remove(): void }[] = []
  afterAll(async () => {
    for (const { close, remove } of opened.splice(0)) {
      await close()
      remove()
    }
  })
  return async (name, password, options = {}) => {
    const { path, remove } = unpackFixture(name)
    const storage = await filesystemBackend.open(filesystemOptions(path), false)
    try {
      const repository = await openRepositoryDirectly(storage, password, { client: { readOnly: true }, ...options })
      opened.push({ close: () => repository.close(), remove })
      return repository
    } catch (error) {
      remove()
      throw error
    }
  }
}

/** Expects the blobs, contents, manifests and identity that Kopia states of a fixture. */
export async function expectFacts(name: string, repository: DirectRepository): Promise<void> {
  const facts = fixtureFacts<Facts>(name)
  const blobs: string[] = []
  for await (const { id, sizeBytes } of repository.blobs.list('')) blobs.push(`${id} ${sizeBytes}`)
  if (facts.blobs) expect(blobs.sort()).toEqual(facts.blobs.map((b) => `${b.id} ${b.length}`).sort())
  const rows = [unprefixedIds, prefixedIds].flatMap((range) => [...repository.contents.iterate(range, true)])
  const contents = rows.map((c) => `${c.id} ${c.packBlob} ${c.packOffset} ${c.packedLength} ${c.timestampSeconds} ${c.deleted}`)
  const wanted = facts.contents?.map((c) => `${c.contentID} ${c.packFile} ${c.packOffset} ${c.length} ${c.time} ${c.deleted}`)
  if (wanted) expect(contents.sort()).toEqual(wanted.sort())
  const manifests = (await repository.manifests.find({})).map((m) => [m.id, m.sizeBytes, formatTimeNs(m.modifiedNs), m.labels])
  if (facts.manifests) expect(manifests.sort()).toEqual(facts.manifests.map((m) => [m.id, m.length, m.mtime, m.labels]).sort())
  if (!facts.status) return
  const { uniqueIDHex, contentFormat } = facts.status
  expect(repository.uniqueId.toString('hex')).toBe(uniqueIDHex)
  expect(repository.format).toMatchObject({
    hash: contentFormat.hash,
    encryption: contentFormat.encryption,
    version: contentFormat.version,
  })
}
