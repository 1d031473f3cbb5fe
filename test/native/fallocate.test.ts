import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeAddon } from './addon.ts'

let place = ''
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'kura-native-'))
})
afterAll(() => rmSync(place, { recursive: true }))

describeAddon('punchHole', ({ punchHole }) => {
  it('gives whole blocks of a range back, and the rest of the file stays', () => {
    const path = join(place, 'file')
    writeFileSync(path, Buffer.alloc(1 << 20, 7))
    const fd = openSync(path, 'r+')
    const did = punchHole?.(fd, 4096, (1 << 20) - 8192)
    closeSync(fd)
    const bytes = readFileSync(path)
    expect(bytes.length).toBe(1 << 20)
    if (did !== true) return
    expect(statSync(path).blocks).toBeLessThanOrEqual(32)
    expect([bytes[4095], bytes[4096], bytes[bytes.length - 4097], bytes[bytes.length - 4096]]).toEqual([7, 0, 0, 7])
  })

  it('throws system errors with their code, and refuses wrong arguments', () => {
    expect(() => punchHole?.(9999, 0, 1)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    for (const bad of [[], [0], [0, 0], ['a', 0, 1], [0, -1, 1], [0, 0, 0]])
      expect(() => (punchHole as (...args: unknown[]) => void)(...bad)).toThrow(TypeError)
  })
})

describeAddon('setImmutable', ({ setImmutable }) => {
  it('says whether it could, and what it set can be cleared', () => {
    const path = join(place, 'flagged')
    writeFileSync(path, '')
    const fd = openSync(path, 'r')
    const did = setImmutable?.(fd, true)
    const refused = did === true ? expect(() => writeFileSync(path, 'x')) : undefined
    refused?.toThrow(/EPERM/)
    setImmutable?.(fd, false)
    closeSync(fd)
    writeFileSync(path, 'x')
  })

  it('refuses what is no descriptor, and wrong arguments', () => {
    expect(() => setImmutable?.(9999, true)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    for (const bad of [[], [0], ['a', true], [0, 1]])
      expect(() => (setImmutable as (...args: unknown[]) => void)(...bad)).toThrow(TypeError)
  })
})
