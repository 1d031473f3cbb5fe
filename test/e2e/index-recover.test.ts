import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'

const home = new KuraHome()
const repository = home.path('repository')
const source = home.path('source')

beforeAll(async () => {
  mkdirSync(repository, { recursive: true })
  mkdirSync(join(source, 'folder'), { recursive: true })
  for (let i = 0; i < 20; i++) writeFileSync(join(source, 'folder', `file-${i}`), `content ${i}\n`.repeat(i * 50))
  await home.ok('repository', 'create', 'filesystem', '--path', repository)
  await home.ok('snapshot', 'create', source)
})

afterAll(() => home.remove())

test('index recover brings back everything after all index blobs are gone', async () => {
  const before = JSON.parse(await home.ok('snapshot', 'list', '--json')) as unknown[]
  expect(before).toHaveLength(1)
  rmSync(join(repository, 'x'), { recursive: true })
  expect(JSON.parse(await home.ok('snapshot', 'list', '--json'))).toEqual([])

  const refused = await home.run('index', 'recover', '--commit')
  expect(refused.status).toBe(1)
  expect(refused.stderr).toContain('--dangerous-commands=enabled')

  await home.ok('index', 'recover', '--dangerous-commands=enabled')
  expect(JSON.parse(await home.ok('snapshot', 'list', '--json')), 'without --commit nothing is written').toEqual([])

  await home.ok('index', 'recover', '--commit', '--dangerous-commands=enabled')
  expect(JSON.parse(await home.ok('snapshot', 'list', '--json'))).toEqual(before)
  await home.ok('content', 'verify', '--full')
})
