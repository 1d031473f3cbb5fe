import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { whyUnfit } from '#base/native.ts'
import { addonVersion, nativeMembers } from '#base/native-addon.ts'
import { scratchFolders } from '../support/scratch.ts'

const scratch = scratchFolders()

/** Something that has every member the addon has. */
function whole(): Record<string, unknown> {
  const values = { function: () => undefined, number: 0, string: '', object: [], optional: undefined }
  return { ...Object.fromEntries(Object.entries(nativeMembers).map(([name, type]) => [name, values[type]])), version: addonVersion }
}

describe('an addon', () => {
  const before = process.env['KURA_NATIVE']
  beforeEach(() => {
    vi.resetModules()
  })
  afterEach(() => {
    if (before === undefined) delete process.env['KURA_NATIVE']
    else process.env['KURA_NATIVE'] = before
  })

  it('of this version with all members is used', () => {
    expect(whyUnfit(whole())).toBeUndefined()
  })

  it('without a version, or of another one, is refused with both numbers', () => {
    expect(whyUnfit({ ...whole(), version: undefined })).toMatch(`version none and this program needs version ${addonVersion}`)
    expect(whyUnfit({ ...whole(), version: addonVersion - 1 })).toMatch(`version ${addonVersion - 1} and`)
    expect(whyUnfit({ ...whole(), version: addonVersion + 1 })).toMatch('npm run build:native')
  })

  it('that lacks a function is refused with its name', () => {
    const { readFiles: _, ...rest } = whole()
    expect(whyUnfit(rest)).toMatch('it has no readFiles,')
    expect(whyUnfit({ ...whole(), digests: undefined })).toMatch('it has no digests,')
  })

  it('named by KURA_NATIVE that does not fit is an error that says why', async () => {
    const path = join(scratch(), 'old.cjs')
    writeFileSync(path, 'module.exports = { digest() {} }')
    process.env['KURA_NATIVE'] = path
    const { nativeAddon } = await import('#base/native.ts')
    expect(() => nativeAddon()).toThrow(/old\.cjs is not used: it is version none/)
  })

  it('is not looked for when it is switched off', async () => {
    process.env['KURA_NATIVE'] = '0'
    const { nativeAddon, whyNoNativeAddon } = await import('#base/native.ts')
    expect([nativeAddon(), whyNoNativeAddon()]).toEqual([undefined, 'switched off by KURA_NATIVE=0'])
  })
})
