import { randomFillSync } from 'node:crypto'
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { ended, until } from '../support/wait.ts'

const home = new KuraHome()
const repository = home.path('repository')
const source = home.path('source')
const sourceBytes = 160 << 20

/** Finished packs with their sizes; a file that is still being written has another name. */
function packs(): { name: string; bytes: number }[] {
  return readdirSync(repository, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && e.name.endsWith('.f') && /\/p\//.test(`${e.parentPath}/`))
    .map((e) => ({ name: e.name, bytes: statSync(join(e.parentPath, e.name)).size }))
}

beforeAll(async () => {
  mkdirSync(repository, { recursive: true })
  mkdirSync(source, { recursive: true })
  for (let i = 0; i < 4; i++) writeFileSync(join(source, `random-${i}`), randomFillSync(Buffer.alloc(sourceBytes / 4)))
  await home.ok('repository', 'create', 'filesystem', '--path', repository)
})

afterAll(() => home.remove())

test('a run after a kill does not upload again what is in finished packs', async () => {
  // What is allowed at once is enough for three packs; the whole would take a quarter of a minute then.
  await home.ok('repository', 'throttle', 'set', '--upload-bytes-per-second=12500000')
  const child = home.start('snapshot', 'create', source)
  const end = ended(child)
  await until('three packs', () => packs().length >= 3 || child.exitCode !== null, 5)
  child.kill('SIGKILL')
  await end
  await home.ok('repository', 'throttle', 'set', '--upload-bytes-per-second=unlimited')
  const left = packs()
  expect(left.length, 'the run was killed after its first packs and before its end').toBeGreaterThanOrEqual(3)
  expect(JSON.parse(await home.ok('snapshot', 'list', '--json'))).toEqual([])

  const second = await home.run('snapshot', 'create', source)
  expect(second.stderr).toMatch(/Going on with \d+ contents/)
  expect(second.status).toBe(0)
  const bytes = packs().reduce((sum, p) => sum + p.bytes, 0)
  expect(bytes, 'nothing is stored twice').toBeLessThan(sourceBytes * 1.02)
  await home.ok('content', 'verify', '--full')

  const third = await home.run('snapshot', 'create', source)
  expect(third.stderr).not.toContain('Going on')
})
