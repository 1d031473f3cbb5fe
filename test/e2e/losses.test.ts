import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome, type KuraRun } from '../support/kura.ts'

const home = new KuraHome()
const source = home.path('source')
let hasAttributes = true
let run: KuraRun

/** Whether the file system took an extended attribute. */
function setAttribute(path: string, name: string, value: string): boolean {
  const code = 'import os,sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())'
  try {
    execFileSync('python3', ['-c', code, path, name, value], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

beforeAll(async () => {
  mkdirSync(join(source, 'sub'), { recursive: true })
  writeFileSync(join(source, 'plain.txt'), 'plain')
  writeFileSync(Buffer.concat([Buffer.from(`${source}/latin-`), Buffer.from([0xe9]), Buffer.from('.txt')]), 'latin')
  execFileSync('mkfifo', [join(source, 'sub/pipe')])
  writeFileSync(join(source, 'one'), 'linked')
  linkSync(join(source, 'one'), join(source, 'sub/two'))
  writeFileSync(join(source, 'tagged'), 'tagged')
  hasAttributes = setAttribute(join(source, 'tagged'), 'user.colour', 'blue')
  await home.ok('repository', 'create', 'filesystem', '--path', home.path('repository'))
  run = await home.run('snapshot', 'create', source)
})
afterAll(() => home.remove())

describe('what a snapshot cannot hold is counted and named', () => {
  test('the snapshot is made all the same', () => {
    expect(run.status).toBe(0)
    expect(run.stderr).toContain('Created snapshot with root')
  })

  test('names that are not UTF-8', () => {
    expect(run.stderr).toMatch(/NOTE: 1 name that is not UTF-8 .*latin-\ufffd\.txt/)
  })

  test('pipes and other special files', () => {
    expect(run.stderr).toMatch(/NOTE: 1 device, pipe or socket is left out: sub\/pipe/)
  })

  test('hard links', () => {
    expect(run.stderr).toMatch(/NOTE: 2 hard links are stored as files of their own: .*one/)
  })

  test('extended attributes', ({ skip }) => {
    if (!hasAttributes) skip('this file system has no user attributes')
    expect(run.stderr).toMatch(/NOTE: 1 entry has extended attributes.*tagged/)
  })

  test('with --json too, and in the JSON itself', async () => {
    const { stdout, stderr } = await home.run('snapshot', 'create', source, '--json')
    const { losses } = JSON.parse(stdout) as { losses: Record<string, { count: number; examples: string[] }> }
    expect(losses['specialFiles']).toEqual({ count: 1, examples: ['sub/pipe'] })
    expect(losses['hardLinks']?.count).toBe(2)
    expect(losses['invalidNames']?.examples).toEqual(['latin-\ufffd.txt'])
    expect(stderr).toContain('NOTE: 1 device, pipe or socket is left out')
  })

  test('a snapshot that holds everything has no such key', async () => {
    const whole = home.path('whole')
    mkdirSync(whole, { recursive: true })
    writeFileSync(join(whole, 'a'), 'a')
    expect(JSON.parse((await home.run('snapshot', 'create', whole, '--json')).stdout)).not.toHaveProperty('losses')
  })

  test('what is left can be restored', async () => {
    const target = home.path('target')
    await home.ok('restore', source, target)
    expect(readFileSync(join(target, 'sub/two'), 'utf8')).toBe('linked')
    expect(readFileSync(join(target, 'latin-\ufffd.txt'), 'utf8')).toBe('latin')
  })
})
