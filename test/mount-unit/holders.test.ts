import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { holdersOf, holdersText } from '#mount/holders.ts'

let proc: string
function add(pid: string, name: string, cwd: string, ...open: string[]): void {
  mkdirSync(join(proc, pid, 'fd'), { recursive: true })
  writeFileSync(join(proc, pid, 'comm'), `${name}\n`)
  symlinkSync(cwd, join(proc, pid, 'cwd'))
  for (const [i, target] of open.entries()) symlinkSync(target, join(proc, pid, 'fd', `${i}`))
}
beforeAll(() => {
  proc = mkdtempSync(join(tmpdir(), 'kura-proc-'))
  add('12', 'bash', '/mnt/kura')
  add('34', 'vim', '/home', '/dev/null', '/mnt/kura/backup/a b')
  add('56', 'other', '/mnt/kura2', 'socket:[1]')
  add('90', 'server', '/', '/mnt/kura')
  mkdirSync(join(proc, '90', 'fdinfo'))
  writeFileSync(join(proc, '90', 'fdinfo/0'), 'pos:\t0\nmnt_id:\t7\n')
  mkdirSync(join(proc, '78'))
  mkdirSync(join(proc, 'self'))
  writeFileSync(join(proc, 'self/mountinfo'), '7 1 8:1 / / rw - ext4 /dev/a rw\n8 7 0:5 / /mnt/kura rw - fuse.kura kura rw\n')
})
afterAll(() => rmSync(proc, { recursive: true }))

it('finds who has files or the current folder in a mount, but not who has the folder below it', () => {
  const found = holdersOf('/mnt/kura', proc)
  expect(found.sort((a, b) => a.pid - b.pid)).toEqual([
    { pid: 12, name: 'bash' },
    { pid: 34, name: 'vim' },
  ])
  expect(holdersText(found)).toBe(' It is held by bash (12), vim (34).')
  expect(holdersText([])).toBe('')
  expect(holdersText(Array.from({ length: 7 }, (_, pid) => ({ pid, name: 'x' })))).toMatch(/x \(4\), 2 more\.$/)
})
