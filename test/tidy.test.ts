import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { repositoryRoot } from './support/shared.ts'

const upward = [
  ['src/base', '#repo/blob/storage.ts'],
  ['src/fuse', '#repo/blob/storage.ts'],
  ['src/repo/blob', '#repo/content/store.ts'],
  ['src/repo/content', '#repo/object/object.ts'],
  ['src/repo/object', '#repo/repository/repository.ts'],
  ['src/snapshot', '#mount/daemon.ts'],
  ['src/mount', '#cli/main.ts'],
] as const

describe('the import rule', () => {
  const planted: string[] = []
  afterAll(() => {
    for (const path of planted.splice(0)) rmSync(path, { force: true, recursive: true })
  })

  const plant = (folder: string, source: string): string => {
    const place = mkdtempSync(join(repositoryRoot, folder, 'planted-'))
    planted.push(place)
    writeFileSync(join(place, 'planted.ts'), source)
    return relative(repositoryRoot, join(place, 'planted.ts'))
  }

  /** Lints planted files, all in one run, and returns those that break the import rule. */
  const refused = (paths: readonly string[]): string[] => {
    const biome = join(repositoryRoot, 'node_modules/.bin/biome')
    const run = spawnSync(biome, ['lint', '--reporter=github', '--max-diagnostics=none', ...paths], {
      cwd: repositoryRoot,
      encoding: 'utf8',
    })
    const lines = run.stdout.split('\n').filter((line) => line.includes('noRestrictedImports'))
    return paths.filter((path) => lines.some((line) => line.includes(path)))
  }

  test('refuses an upward import in every layer, and lets a downward import pass', () => {
    const up = upward.map(([folder, target]) => plant(folder, `import * as planted from '${target}'\nexport const value = planted\n`))
    const down = plant('src/cli', `import { messageOf } from '#base/errors.ts'\nexport const value = messageOf(0)\n`)
    expect(refused([...up, down])).toEqual(up)
  })
})

const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: repositoryRoot, encoding: 'utf8' }).split('\0').filter(Boolean)
const sources = tracked.filter((p) => /^(src|native|scripts|bench)\/.*\.(ts|mjs|c|h)$/.test(p))

/** Modules that stand ready for a caller which is not there yet, or serve tests alone; each with its reason. */
const uncalled = new Map([
  ['src/snapshot/policy/schedule.ts', 'the next snapshot time is what the server will schedule by'],
  ['src/repo/blob/memory.ts', 'the storage that tests and benchmarks run on'],
])

describe('the house', () => {
  test('has no source file beyond 420 lines, tables excepted', () => {
    const long = sources.filter((p) => lineCount(p) > 420 && !readFileSync(join(repositoryRoot, p), 'utf8').includes('@table'))
    expect(long).toEqual([])
  })

  test('has no test that is switched off without a reason in its title', () => {
    const marks = /\b(?:it|test|describe)\.(?:only|todo)\b/
    const off = tracked.filter((p) => p.startsWith('test/') && p.endsWith('.ts') && p !== 'test/tidy.test.ts')
    expect(off.filter((p) => marks.test(readFileSync(join(repositoryRoot, p), 'utf8')))).toEqual([])
  })

  test('has no tracked file above 1 MiB', () => {
    expect(tracked.filter((p) => sizeOf(p) > 1 << 20)).toEqual([])
  })

  test('has no module that nothing imports', () => {
    const modules = tracked.filter((p) => p.startsWith('src/') && p.endsWith('.ts') && !p.endsWith('.d.ts'))
    const text = new Map(modules.map((p) => [p, readFileSync(join(repositoryRoot, p), 'utf8')]))
    const imported = new Set<string>()
    for (const [path, body] of text)
      for (const m of body.matchAll(/(?:from|import\()\s*'([^']+\.ts)'/g)) {
        const target = m[1] as string
        imported.add(target.startsWith('#') ? `src/${target.slice(1)}` : relative('.', join(path, '..', target)))
      }
    expect(modules.filter((p) => !imported.has(p) && p !== 'src/cli/main.ts' && !uncalled.has(p))).toEqual([])
  })

  test('keeps every folder of src under the import rule', () => {
    const rules = JSON.parse(readFileSync(join(repositoryRoot, 'biome.json'), 'utf8')) as { overrides: { includes: string[] }[] }
    const covered = rules.overrides.flatMap((o) => o.includes)
    const folders = readdirSync(join(repositoryRoot, 'src'), { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name)
    const wings = readdirSync(join(repositoryRoot, 'src/repo'), { withFileTypes: true }).filter((e) => e.isDirectory())
    for (const { name } of wings) expect(covered, `src/repo/${name}`).toContain(`src/repo/${name}/**`)
    for (const folder of folders)
      expect(
        covered.some((c) => c.startsWith(`src/${folder}`)),
        folder,
      ).toBe(true)
  })
})

const sizeOf = (path: string): number => statSync(join(repositoryRoot, path), { throwIfNoEntry: false })?.size ?? 0
const lineCount = (path: string): number => readFileSync(join(repositoryRoot, path), 'utf8').split('\n').length
