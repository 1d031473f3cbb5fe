import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { contentBytes, setTimes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'
import { ended } from '../support/wait.ts'

const rounds = Number(process.env['KURA_CRASH_ROUNDS'] ?? 12)
const home = new KuraHome()
const source = home.path('source')
let runMs = 0

beforeAll(async () => {
  mkdirSync(join(source, 'sub'), { recursive: true })
  for (let i = 0; i < 200; i++) writeFileSync(join(source, `sub/file-${i}`), contentBytes({ gen: 'random', seed: i, size: 3000 + i * 50 }))
  for (let i = 0; i < 4; i++) writeFileSync(join(source, `large-${i}`), contentBytes({ gen: 'random', seed: 500 + i, size: 12_000_000 }))
  // Restored files that were cut off are told from whole ones by their time.
  for (const name of ['large-0', 'large-1', 'large-2', 'large-3'])
    setTimes([{ path: Buffer.from(join(source, name)), mtimeNs: 1_600_000_000_123_456_789n }])
  await home.ok('repository', 'create', 'filesystem', '--path', home.path('repository'))
  await home.ok('snapshot', 'create', source)
  const started = performance.now()
  await home.ok('restore', source, home.path('whole'))
  runMs = performance.now() - started
  expect(listTree(home.path('whole'))).toEqual(listAsRestored(source))
})
afterAll(() => home.remove())

test(`a restore that was killed, ${rounds} times at moments of its whole course, is completed by --skip-existing`, async () => {
  for (let round = 0; round < rounds; round++) {
    const target = home.path('target')
    const child = home.start('restore', source, target)
    child.stdout?.resume()
    child.stderr?.resume()
    const end = ended(child)
    await sleepFor((runMs * (round + 0.5)) / rounds)
    child.kill('SIGKILL')
    await end
    await home.ok('restore', source, target, '--skip-existing')
    expect(listTree(target)).toEqual(listAsRestored(source))
    rmSync(target, { recursive: true, force: true })
  }
})
