import { type ChildProcess, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { KuraHome } from '../support/kura.ts'
import { contentBytes } from '../support/source-tree.ts'
import { listTree } from '../support/tree-listing.ts'
import { ended } from '../support/wait.ts'

const canMount = existsSync('/dev/fuse')

/** A person's day with a repository that the flags name: create, snapshot, list, restore, mount and read, verify, connect again. */
export async function wholeFlow(home: KuraHome, storage: readonly string[]): Promise<void> {
  const source = home.path('source')
  mkdirSync(join(source, 'sub'), { recursive: true })
  writeFileSync(join(source, 'sub', 'note.txt'), 'a note\n')
  writeFileSync(join(source, 'large.bin'), contentBytes({ gen: 'random', seed: 5, size: 5_000_000 }))
  await home.ok('repository', 'create', ...storage)
  await home.ok('snapshot', 'create', source)
  writeFileSync(join(source, 'sub', 'second.txt'), 'the second\n')
  await home.ok('snapshot', 'create', source)
  expect(await home.ok('snapshot', 'list', source)).toContain(source)
  await home.ok('repository', 'disconnect')
  await home.ok('repository', 'connect', ...storage)
  const target = home.path('restored')
  await home.ok('restore', source, target)
  expect(listTree(target)).toEqual(listTree(source))
  await home.ok('snapshot', 'verify', '--verify-files-percent=100')
  expect(await home.ok('repository', 'status')).not.toMatch(/s3cret-of-the-storage/)
  if (canMount) await mounted(home, source)
}

async function mounted(home: KuraHome, source: string): Promise<void> {
  const at = home.path('mounted')
  mkdirSync(at)
  const child = home.start('mount', 'all', at)
  try {
    for (let i = 0; i < 200 && readdirSync(at).length === 0; i++) await sleep(50)
    const found = execFileSync('find', [at, '-name', 'large.bin'], { encoding: 'utf8' }).trim().split('\n')
    expect(found.length).toBeGreaterThan(0)
    expect(readFileSync(found[0] as string).equals(readFileSync(join(source, 'large.bin')))).toBe(true)
  } finally {
    await home.run('unmount', at)
    await finish(child)
  }
}

async function finish(child: ChildProcess): Promise<void> {
  await Promise.race([ended(child), sleep(10_000)])
  child.kill('SIGKILL')
}
