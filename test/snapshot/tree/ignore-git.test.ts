import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compilePattern, MatchPath } from '#snapshot/tree/ignore-pattern.ts'

let dir: string
const hasGit = spawnSync('git', ['--version']).status === 0
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'kura-ignore-'))
  if (hasGit) spawnSync('git', ['init', '-q', dir])
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Per rule and path whether git ignores the path; one git run for all. */
function gitMatches(rules: readonly string[], paths: readonly string[]): boolean[][] {
  // Each rule has a folder of its own, so that rules do not meet.
  rules.forEach((rule, i) => {
    const folder = join(dir, `r${i}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, '.gitignore'), `${rule}\n`)
  })
  const input = rules.flatMap((_, i) => paths.map((p) => `r${i}${p}`)).join('\0')
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }
  const { stdout } = spawnSync('git', ['check-ignore', '--no-index', '-z', '--stdin'], {
    cwd: dir,
    input: `${input}\0`,
    env,
    maxBuffer: 1 << 26,
  })
  const ignored = new Set(stdout.toString().split('\0'))
  return rules.map((_, i) => paths.map((p) => ignored.has(`r${i}${p}`)))
}

/** Ignored itself, or lying in something ignored: what git reports. */
function ours(rule: string, path: string): boolean {
  const pattern = compilePattern(rule, '')
  if (!pattern) return false
  const parts = path.slice(1).split('/')
  return parts.some((_, i) => {
    const isLast = i === parts.length - 1
    return (!pattern.directoriesOnly || !isLast) && pattern.matches(new MatchPath(`/${parts.slice(0, i + 1).join('/')}`))
  })
}

/** Where the specification differs from git by name (spec 07, 7.2.4 to 7.2.6); such rules are left out of the comparison. */
function differsByName(rule: string): boolean {
  return (
    // A star that has taken a character may swallow one slash, when something other than a slash comes after it.
    /[^*/]\*+[^*/]|\*[^*/]+\*|\/\*+[^*/]/.test(rule) ||
    // `**` at the very start needs no slash behind it.
    /^\*\*+[^*/]/.test(rule) ||
    // `**` right after a letter is one star; git forgets the letter before it.
    /[^/*]\*\*/.test(rule) ||
    // A run of three or more stars counts as `**`.
    /\*\*\*/.test(rule) ||
    // Sets match a slash, and classes are known only near the start.
    /\[/.test(rule)
  )
}

const alphabet = ['a', 'b', '/', '*', '**', '?', '/**/', '**/', '/*', 'ab', '\\a', '.']
const paths = [
  '/a',
  '/b',
  '/ab',
  '/a/b',
  '/b/a',
  '/a/a',
  '/ab/a',
  '/a/b/a',
  '/a/a/b',
  '/b/b/a',
  '/a/b/ab/b',
  '/.a',
  '/a/.',
  '/a.b',
  '/b/a.b/a',
].filter((p) => !p.endsWith('/.'))

it.skipIf(!hasGit)(
  'rules without a named difference match what git matches',
  () => {
    const rules = new Set(
      fc.sample(
        fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 5 }).map((p) => p.join('')),
        { numRuns: 700, seed: 7 },
      ),
    )
    const list = [...rules].filter((r) => !differsByName(r) && !r.includes('//') && r !== '/')
    const git = gitMatches(list, paths)
    const different = list.flatMap((rule, i) =>
      paths.filter((p, j) => git[i]?.[j] !== ours(rule, p)).map((p) => `${rule} ${p}: git ${!ours(rule, p)}`),
    )
    expect(different).toEqual([])
    expect(list.length).toBeGreaterThan(150)
  },
  20_000,
)
