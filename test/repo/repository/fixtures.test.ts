import { describe, expect, test } from 'vitest'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { RequiredFeatureError, UpgradeInProgressError, WrongPasswordError } from '#repo/format/errors.ts'
import { NotARepositoryError } from '#repo/repository/errors.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { expectFacts, fixtureOpener } from './open-fixture.ts'

const scratch = scratchFolders()
const openFixture = fixtureOpener()

test.each(['created-only', 'format-v1', 'shards-custom'])(
  'the repository %s that Kopia made opens and holds what Kopia lists',
  async (name) => {
    await expectFacts(name, await openFixture(name, 'fixture-password'))
  },
)

describe('opening', () => {
  test('fails with a wrong password', async () => {
    await expect(openFixture('fresh', 'wrong')).rejects.toThrow(WrongPasswordError)
    await expect(openFixture('fresh', '')).rejects.toThrow('invalid repository password')
    await expect(openFixture('password-changed', 'fixture-password')).rejects.toThrow(WrongPasswordError)
  })

  test('fails where there is no repository', async () => {
    const storage = await filesystemBackend.open(filesystemOptions(scratch()), false)
    await expect(openRepositoryDirectly(storage, 'x')).rejects.toThrow(NotARepositoryError)
  })

  test('fails when a feature is required that nobody knows, and says which', async () => {
    await expect(openFixture('feature-required', 'fixture-password')).rejects.toThrow(RequiredFeatureError)
    await expect(openFixture('feature-required', 'fixture-password')).rejects.toThrow(/does not support feature '.+'/)
  })

  test('only warns of a feature that is merely recommended', async () => {
    const warnings: string[] = []
    await openFixture('feature-warning', 'fixture-password', { warn: (message) => warnings.push(message) })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(/^This version of Kopia does not support feature '/)
  })

  test('fails while another client upgrades, and works for the owner of the lock', async () => {
    const password = 'fixture-password'
    await expect(openFixture('upgrade-locked', password, { noBlockOnUpgrade: true })).rejects.toThrow(UpgradeInProgressError)
    await expect(openFixture('upgrade-locked', password, { noBlockOnUpgrade: true, upgradeOwnerId: 'other' })).rejects.toThrow(
      'repository upgrade in progress',
    )
    const repository = await openFixture('upgrade-locked', password, { upgradeOwnerId: 'owner' })
    expect(repository.format.upgradeLock?.ownerId).toBe('owner')
    expect((await repository.manifests.find({ type: 'snapshot' })).length).toBe(2)
  })

  test('waits for the end of an upgrade until it is told to stop', async () => {
    const stop = new AbortController()
    const warnings: string[] = []
    const opening = openFixture('upgrade-locked', 'fixture-password', {
      signal: stop.signal,
      warn: (message) => {
        warnings.push(message)
        setTimeout(() => stop.abort(), 150)
      },
    })
    await expect(opening).rejects.toThrow(/stopped while waiting/)
    expect(warnings.join()).toContain('upgrade in progress')
  })

  test('a read-only connection changes nothing', async () => {
    const repository = await openFixture('fresh', 'fixture-password')
    await expect(repository.blobs.put('x', [])).rejects.toThrow(/storage is read-only/)
    await expect(repository.manifests.put({ type: 'x' }, '{}')).rejects.toThrow()
    await expect(repository.blobs.get('x')).rejects.toThrow(BlobNotFoundError)
  })
})

test('a snapshot manifest of Kopia can be read', async () => {
  const repository = await openFixture('format-v1', 'fixture-password')
  const [first] = await repository.manifests.find({ type: 'snapshot' })
  const { payload } = await repository.manifests.get(first?.id ?? '')
  expect(payload).toMatchObject({ rootEntry: { type: 'd' }, source: { host: 'laptop', userName: 'alice' } })
})
