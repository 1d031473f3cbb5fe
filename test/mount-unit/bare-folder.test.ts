import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import { BareFolder, reopenFolder } from '#mount/bare-folder.ts'
import { repositoryRoot } from '../support/shared.ts'

let place: string
let folder: string
beforeEach(() => {
  mkdirSync(join(repositoryRoot, 'build'), { recursive: true })
  place = mkdtempSync(join(repositoryRoot, 'build/bare-'))
  folder = join(place, 'folder')
  mkdirSync(folder)
  chmodSync(folder, 0o750)
})
afterEach(async () => {
  await reopenFolder(folder)
  rmSync(place, { recursive: true })
})

const modeOf = (): number => statSync(folder).mode & 0o7777

/** Whether this process may set the flag here at all. */
function canBeImmutable(): boolean {
  const here = mkdtempSync(join(repositoryRoot, 'build/flag-'))
  const fd = openSync(here, 'r')
  try {
    const did = nativeAddon()?.setImmutable?.(fd, true) === true
    nativeAddon()?.setImmutable?.(fd, false)
    return did
  } finally {
    closeSync(fd)
    rmSync(here, { recursive: true })
  }
}
mkdirSync(join(repositoryRoot, 'build'), { recursive: true })

it('is closed while the mount is there, and what it was afterwards', async () => {
  const bare = await BareFolder.open(folder, '/temporary')
  await bare?.shut()
  expect(modeOf()).toBe(0)
  await bare?.release()
  expect(modeOf()).toBe(0o750)
  writeFileSync(join(folder, 'f'), '')
})

it.skipIf(!canBeImmutable())('refuses root too what would be written to it', async () => {
  const bare = await BareFolder.open(folder, '/temporary')
  await bare?.shut()
  expect(() => writeFileSync(join(folder, 'f'), '')).toThrow(/EPERM/)
  expect(() => rmSync(folder, { recursive: true })).toThrow(/EPERM/)
  await bare?.release()
  writeFileSync(join(folder, 'f'), '')
})

it('that a killed mount left closed is opened by the next one', async () => {
  const killed = await BareFolder.open(folder, '/temporary')
  await killed?.shut()
  const next = await BareFolder.open(folder, '/temporary')
  await next?.shut()
  await next?.release()
  expect(modeOf()).toBe(0o700)
  writeFileSync(join(folder, 'f'), '')
})

it('is left alone when it is not there', async () => {
  expect(await BareFolder.open(join(place, 'missing'))).toBeUndefined()
})
