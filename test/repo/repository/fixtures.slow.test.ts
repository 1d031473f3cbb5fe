import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fixtureFacts } from '../../support/fixtures.ts'
import { sharedPath } from '../../support/shared.ts'
import { expectFacts, fixtureOpener } from './open-fixture.ts'

const openFixture = fixtureOpener()
const all = readdirSync(sharedPath('fixtures')).flatMap((file) => (file.endsWith('.tar.gz') ? [file.slice(0, -'.tar.gz'.length)] : []))
// Those that must not open are looked at in fixtures.test.ts; the archive of "splitters" leaves packs out that its listing names.
const special = new Set(['feature-required', 'upgrade-locked', 'splitters'])

describe('every repository that Kopia made', () => {
  test('is there', () => expect(all.length).toBeGreaterThan(40))

  test.each(all.filter((name) => !special.has(name)))('opens and holds what Kopia lists: %s', async (name) => {
    await expectFacts(name, await openFixture(name, fixtureFacts(name).password))
  })
})
