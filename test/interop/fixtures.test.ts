import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonTime } from '#base/go-json.ts'
import { allIds, type ContentInfo } from '#repo/content/content-info.ts'
import { createIndexBlobManager } from '#repo/content/index-blobs/create.ts'
import { RequiredFeatureError, UpgradeInProgressError } from '#repo/format/errors.ts'
import type { RepositoryFormat } from '#repo/format/repository-format.ts'
import { decodeChunkList } from '#repo/object/indirect.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { indexObjectId } from '#repo/object/object-id.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { decodeDirectory, encodeDirectory } from '#snapshot/model/directory-json.ts'
import { encodeSummary } from '#snapshot/model/entry-json.ts'
import { formatGoMode } from '#snapshot/model/go-mode.ts'
import { encodeSnapshot } from '#snapshot/model/manifest-json.ts'
import { groupBySource, listSnapshots, loadSnapshot } from '#snapshot/model/snapshots.ts'
import { parseSource } from '#snapshot/model/source-text.ts'
import { policyJsonValue } from '#snapshot/policy/policy-json.ts'
import { applyRetention } from '#snapshot/policy/retention.ts'
import { effectivePolicy, listPolicies } from '#snapshot/policy/store.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { fixtureFacts, unpackFixture } from '../support/fixtures.ts'
import { openFolder } from '../support/open-fixture.ts'
import { sharedPath } from '../support/shared.ts'
import { type EntryFacts, everyFixture, type Facts } from './facts.ts'

// Weeks of retention follow the zone of the process; the facts were made in UTC.
process.env['TZ'] = 'UTC'

test('every fixture is tested', () => {
  const archives = readdirSync(sharedPath('fixtures')).flatMap((name) => (name.endsWith('.tar.gz') ? [name.slice(0, -7)] : []))
  expect([...everyFixture].sort()).toEqual(archives.sort())
})

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe.each(everyFixture.filter((name) => name !== 'feature-required'))('%s', (name) => {
  const facts = fixtureFacts<Facts>(name)
  let repository: DirectRepository
  let fixture: ReturnType<typeof unpackFixture>
  beforeAll(async () => {
    fixture = unpackFixture(name)
    const upgradeOwner = name === 'upgrade-locked' ? { upgradeOwnerId: 'owner' } : {}
    repository = await openFolder(fixture.path, facts.password, upgradeOwner)
  })
  afterAll(async () => {
    await repository?.close()
    fixture.remove()
  })

  test.runIf(facts.status)('format', () => {
    const { format } = repository
    expect(format.uniqueId.toString('hex')).toBe(facts.status?.uniqueIDHex)
    expect(formatFacts(format)).toEqual(facts.status?.contentFormat)
    expect(format.splitter).toBe(facts.status?.objectFormat.splitter)
    expect(repository.retention.mode).toBe('')
  })

  test.runIf(facts.blobs)('blobs and index blobs', async () => {
    const seen: object[] = []
    for await (const { id, sizeBytes, modifiedMs } of repository.blobs.list(''))
      seen.push({ id, length: sizeBytes, timestamp: jsonTime(BigInt(modifiedMs) * 1_000_000n) })
    expect((seen as { id: string }[]).sort(byId)).toEqual(facts.blobs?.toSorted(byId))
    const { storage, ...rest } = { storage: repository.blobs, cipher: repository.cipher, hasher: repository.hasher }
    const manager = createIndexBlobManager({ storage, ...rest, format: repository.format, clock: repository.clock })
    const { blobs } = await manager.activeSet()
    const active = blobs.map(({ id, sizeBytes }) => ({ id, length: sizeBytes })).sort(byId)
    expect(active).toEqual(facts.indexes?.map(({ id, length }) => ({ id, length })).sort(byId))
  })

  test.runIf(facts.contents)('contents, every field', () => {
    expect([...repository.contents.iterate(allIds, true)].map(contentFacts)).toEqual(
      facts.contents?.toSorted((a, b) => (a.contentID < b.contentID ? -1 : 1)),
    )
  })

  test.runIf(facts.manifests)('manifests', async () => {
    const found = await repository.manifests.find({})
    const seen = found.map((m) => ({ id: m.id, length: m.sizeBytes, labels: m.labels, mtime: jsonTime(m.modifiedNs) }))
    expect(JSON.parse(JSON.stringify(seen.sort(byId)))).toEqual(facts.manifests?.toSorted(byId))
    for (const [id, text] of Object.entries(facts.manifestBodies ?? {})) {
      const { json } = await repository.manifests.get(id)
      expect(JSON.parse(json), id).toEqual(JSON.parse(text.replace(/^\/\/.*\n/gm, '')))
    }
  })

  test.runIf(facts.policies)('policies', async () => {
    const policies = await listPolicies(repository)
    const seen = policies.map(({ id, target: { user, host, path }, policy }) => ({
      id,
      target: { host, userName: user, path },
      ...(policyJsonValue(policy) as object),
    }))
    expect(seen.sort(byId)).toEqual(facts.policies?.toSorted(byId))
    for (const [source, policy] of Object.entries(facts.effectivePolicies ?? {})) {
      const { effective } = await effectivePolicy(repository, parseSource(source, { user: '', host: '' }))
      expect(policyJsonValue(effective), source).toEqual(policy)
    }
  })

  test.runIf(facts.snapshots)('snapshots, with the reasons to keep them', async () => {
    const seen: object[] = []
    for (const { source, snapshots } of groupBySource(await listSnapshots(repository))) {
      const { effective } = await effectivePolicy(repository, source)
      const reasons = new Map(applyRetention(snapshots, effective.retention).map((r) => [r.snapshot.id, r.reasons]))
      for (const s of snapshots) {
        const why = reasons.get(s.id) ?? []
        seen.push({ ...JSON.parse(encodeSnapshot(s, s.id)), ...(why.length > 0 ? { retentionReason: why } : {}) })
      }
    }
    expect(seen).toEqual(facts.snapshots)
  })

  test.runIf(facts.entries && Object.keys(facts.entries).length > 0)(
    'entries of every snapshot, and the bytes of every object',
    async () => {
      const digests = new Map<string, Promise<string>>()
      for (const [id, expected] of Object.entries(facts.entries ?? {})) {
        const { rootEntry } = await loadSnapshot(repository, id)
        if (!rootEntry) throw new Error(`snapshot ${id} has no root`)
        const rows = rootEntry.type === 'd' ? await listTree(repository, rootEntry) : [{ path: '', type: 'f', obj: rootEntry.objectId }]
        // Of entries with one stored name only the last can be reached by name.
        const reachable = expected.filter((e, i) => !expected.slice(i + 1, i + 3).some((later) => later.path === e.path))
        expect(rows, id).toEqual(reachable.map(({ sha256: _s, error: _e, target: _t, lengthRead: _l, ...row }) => row))
        for (const row of reachable) if (row.type !== 'd') await checkBytes(repository, row, digests)
      }
    },
  )

  test.runIf(facts.directoryObjects && Object.keys(facts.directoryObjects).length > 0)(
    'directory objects, read and written again',
    async () => {
      for (const [id, expected] of Object.entries(facts.directoryObjects ?? {})) {
        const bytes = await repository.objects.readAll(id as ObjectId)
        expect({ bytes: bytes.length, sha256: sha256(bytes) }, id).toEqual({ bytes: expected.bytes, sha256: expected.sha256 })
        // What was not UTF-8 cannot be had back: such names are text when they are read.
        if (bytes.includes('\\ufffd')) continue
        const { entries, summary } = decodeDirectory(bytes)
        if (!summary) throw new Error(`${id} has no summary`)
        expect(encodeDirectory(entries, summary).equals(bytes), id).toBe(true)
      }
    },
  )

  test.runIf(facts.indirectObjects && Object.keys(facts.indirectObjects).length > 0)('indirect objects', async () => {
    for (const [id, expected] of Object.entries(facts.indirectObjects ?? {})) {
      const stream = await repository.objects.readAll(indexObjectId(id as ObjectId))
      expect((JSON.parse(stream.toString()) as { entries: unknown }).entries, id).toEqual(expected)
      expect(
        decodeChunkList(id as ObjectId, stream)
          .encode()
          .equals(stream),
        id,
      ).toBe(true)
    }
  })
})

describe('repositories that must not be opened', () => {
  test('a required feature that nobody knows is named', async () => {
    const fixture = unpackFixture('feature-required')
    const opening = openFolder(fixture.path, 'fixture-password')
    await expect(opening).rejects.toThrow(RequiredFeatureError)
    await expect(opening).rejects.toThrow("does not support feature 'feature-from-the-future'")
    fixture.remove()
  })

  test('an upgrade by someone else keeps us out', async () => {
    const fixture = unpackFixture('upgrade-locked')
    for (const upgradeOwnerId of ['someone-else', undefined])
      await expect(openFolder(fixture.path, 'fixture-password', { upgradeOwnerId, noBlockOnUpgrade: true })).rejects.toThrow(
        UpgradeInProgressError,
      )
    fixture.remove()
  })
})

function formatFacts(f: RepositoryFormat): object {
  const e = f.epochs
  return {
    hash: f.hash,
    encryption: f.encryption,
    ...(f.ecc ? { ecc: f.ecc } : {}),
    ...(f.eccOverheadPercent ? { eccOverheadPercent: f.eccOverheadPercent } : {}),
    version: f.version,
    maxPackSize: f.maxPackSizeBytes,
    indexVersion: f.indexVersion,
    epochParameters: {
      Enabled: e.enabled,
      EpochRefreshFrequency: Number(e.epochRefreshFrequencyNs),
      FullCheckpointFrequency: e.fullCheckpointFrequency,
      CleanupSafetyMargin: Number(e.cleanupSafetyMarginNs),
      MinEpochDuration: Number(e.minEpochDurationNs),
      EpochAdvanceOnCountThreshold: e.epochAdvanceOnCountThreshold,
      EpochAdvanceOnTotalSizeBytesThreshold: e.epochAdvanceOnTotalSizeBytesThreshold,
      DeleteParallelism: e.deleteParallelism,
    },
    enablePasswordChange: f.enablePasswordChange,
  }
}

const contentFacts = (info: ContentInfo) => ({
  packFile: info.packBlob,
  time: info.timestampSeconds,
  originalLength: info.originalLength,
  length: info.packedLength,
  ...(info.packOffset ? { packOffset: info.packOffset } : {}),
  ...(info.compressionHeader ? { compression: info.compressionHeader } : {}),
  contentID: info.id,
  deleted: info.deleted,
  formatVersion: info.formatVersion,
  ...(info.encryptionKeyId ? { encryptionKeyID: info.encryptionKeyId } : {}),
})

/** Rows as the facts have them: depth first, sub-directories with their own stored size and time. */
async function listTree(repository: DirectRepository, root: DirectoryEntry): Promise<object[]> {
  const rows: object[] = []
  async function visit(id: ObjectId, prefix: string): Promise<void> {
    for (const e of (await readStoredDirectory(repository, id)).entries) {
      const path = prefix + e.name
      const summ = e.summary ? { summ: JSON.parse(encodeSummary(e.summary)) } : {}
      const { uid, gid, sizeBytes: size, objectId: obj } = e
      rows.push({ path, type: e.type, mode: formatGoMode(e.mode) || '0', uid, gid, size, mtime: jsonTime(e.modifiedNs), obj, ...summ })
      if (e.type === 'd') await visit(obj as ObjectId, `${path}/`)
    }
  }
  await visit(root.objectId as ObjectId, '')
  return JSON.parse(JSON.stringify(rows)) as object[]
}

async function checkBytes(repository: DirectRepository, row: EntryFacts, digests: Map<string, Promise<string>>): Promise<void> {
  const id = row.obj as ObjectId
  if (row.error !== undefined) {
    await expect(repository.objects.readAll(id), row.path).rejects.toThrow()
    return
  }
  if (row.target !== undefined) {
    expect((await repository.objects.readAll(id)).toString(), row.path).toBe(row.target)
    return
  }
  if (!digests.has(id)) digests.set(id, digestOf(repository, id))
  expect(await digests.get(id), `${row.path} ${id}`).toBe(row.sha256)
}

async function digestOf(repository: DirectRepository, id: ObjectId): Promise<string> {
  const hash = createHash('sha256')
  const reader = await repository.objects.open(id)
  const buffer = Buffer.alloc(Math.max(1, Math.min(reader.sizeBytes, 1 << 20)))
  for (let offset = 0; ; ) {
    const n = await reader.read(buffer, offset)
    if (n === 0) break
    hash.update(buffer.subarray(0, n))
    offset += n
  }
  reader.close()
  return hash.digest('hex')
}
