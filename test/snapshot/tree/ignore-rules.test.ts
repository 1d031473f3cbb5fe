import { describe, expect, it } from 'vitest'
import { compilePattern, IgnoreRuleError, MatchPath } from '#snapshot/tree/ignore-pattern.ts'
import { enterDirectory, type IgnoreContext, isIgnored, outermostContext, whyHidden } from '#snapshot/tree/ignore-rules.ts'

const matches = (rule: string, base: string, path: string, isDirectory = false): boolean => {
  const pattern = compilePattern(rule, base)
  return pattern !== undefined && (isDirectory || !pattern.directoriesOnly) && pattern.matches(new MatchPath(path))
}

// Specification 07, 7.2.6 and 03, 8.3. Path, 'd' for a directory.
const table: [rule: string, base: string, path: string, kind: 'f' | 'd', matches: boolean][] = [
  ['*.txt', '', '/foo/bar/a.txt', 'f', true],
  ['*.txt', '/a', '/b/x.txt', 'f', false],
  ['/*.txt', '', '/foo/a.txt', 'f', false],
  ['/*.txt', '', '/a.txt', 'f', true],
  ['bar/a.txt', '', '/foo/bar/a.txt', 'f', false],
  ['bar/a.txt', '', '/bar/a.txt', 'f', true],
  ['b/*.txt', '/a', '/a/b/c.txt', 'f', true],
  ['**/bar/a.txt', '', '/x/y/bar/a.txt', 'f', true],
  ['a/**/b', '', '/a/b', 'f', true],
  ['a/**', '', '/a', 'd', false],
  ['a/**', '', '/a/x', 'f', true],
  ['**', '', '/anything/at/all', 'f', true],
  ['logs/', '', '/x/logs', 'd', true],
  ['logs/', '', '/x/logs', 'f', false],
  ['logs/', '', '/logs/f', 'f', false],
  ['/logs/*', '', '/logs', 'd', false],
  ['/logs/*', '', '/logs/x', 'd', true],
  ['foo**bar', '', '/fooxbar', 'f', true],
  ['a?b', '', '/a/b', 'f', false],
  ['a?b', '', '/axb', 'f', true],
  ['x/*/y', '', '/x/a/b/y', 'f', false],
  ['x/*/y', '', '/x/a/y', 'f', true],
  ['foo*bar', '', '/foo1/bar', 'f', true],
  ['foo*bar', '', '/foo/bar', 'f', false],
  ['foo[!x]bar', '', '/foo/bar', 'f', true],
  ['[a-d]', '', '/e', 'f', false],
  ['[a-d]', '', '/c', 'f', true],
  ['[a\\-c]', '', '/b', 'f', false],
  ['[^a]', '', '/^', 'f', true],
  ['fil[[:digit:]]', '', '/fil1', 'f', true],
  ['file[[:digit:]]', '', '/file1', 'f', false],
  ['file[[:digit:]]', '', '/filed]', 'f', true],
  ['**/x.txt', '', '/a/b/x.txt', 'f', true],
  ['**/x.txt', '', '/x.txt', 'f', true],
  ['!**/x.txt', '', '/a/x.txt', 'f', true],
  ['!**/x.txt', '', '/a/b/x.txt', 'f', false],
  ['foo\\ ', '', '/foo ', 'f', true],
  ['  foo  ', '', '/foo', 'f', true],
  ['/a/**/b/foo.txt', '', '/a/b/c/b/foo.txt', 'f', true],
  ['/a/**/b/foo.txt', '', '/a/b/c/d/foo.txt', 'f', false],
  ['ab**', '', '/abcd', 'f', true],
  ['ab**', '', '/ab/cd', 'f', false],
  ['[![:digit:]ab]', '', '/c', 'f', true],
  ['[![:digit:]ab]', '', '/3', 'f', false],
  ['[![:digit:]ab]', '', '/a', 'f', false],
  ['foo/**', '', '/foo/bar/a/b/c.txt', 'f', true],
  ['[]', '', '/x', 'f', false],
  ['\\!x', '', '/!x', 'f', true],
  ['\\#x', '', '/#x', 'f', true],
  ['[[:UPPER:]]x', '', '/Ax', 'f', true],
  ['ä?', '', '/ä😀', 'f', true],
]

describe('one rule', () => {
  it.each(table)('%s in "%s" on %s (%s): %s', (rule, base, path, kind, expected) =>
    expect(matches(rule, base, path, kind === 'd')).toBe(expected),
  )
  it.each(['abc\\', 'abc\\  ', 'ab[c', '[[:nope:]]', '[a\\'])('%s is an error', (rule) =>
    expect(() => compilePattern(rule, '')).toThrow(IgnoreRuleError),
  )
  it('takes no exponential time', () => {
    // Else this does not end.
    expect(matches(`${'*a'.repeat(40)}b`, '', `/${'a'.repeat(2000)}`)).toBe(false)
    expect(matches(`${'**/a/'.repeat(30)}b`, '', `/${'a/'.repeat(1000)}c`)).toBe(false)
  })
})

/** Contexts of a tree of ignore files, by directory path. */
function contextsOf(files: Record<string, string>): (directory: string) => IgnoreContext {
  const contextOf = (directory: string): IgnoreContext =>
    enterDirectory(
      directory === '' ? outermostContext : contextOf(directory.slice(0, directory.lastIndexOf('/'))),
      directory,
      directory === '' ? { ignoreDotFiles: ['.kopiaignore'] } : undefined,
      (name) => files[`${directory}/${name}`],
    )
  return contextOf
}

function kept(files: Record<string, string>): string[] {
  const contextOf = contextsOf(files)
  const directories = ['/A', '/B', '/A/AA', '/A/AB', '/B/AA', '/B/AB']
  const open = (path: string): boolean =>
    path === '' || (open(path.slice(0, path.lastIndexOf('/'))) && !isIgnored(contextOf(path.slice(0, path.lastIndexOf('/'))), path, true))
  const paths = directories.filter(open)
  for (const d of directories)
    for (const f of ['file.txt', 'file.go']) if (open(d) && !isIgnored(contextOf(d), `${d}/${f}`, false)) paths.push(`${d}/${f}`)
  return paths
}

describe('rules of several directories', () => {
  const root = '*\n!*.txt\n!*/\nAB/\n'
  it('the scenario of the specification', () => {
    expect(kept({ '/.kopiaignore': root, '/A/.kopiaignore': '*.txt\r\n!*.go' })).toEqual([
      '/A',
      '/B',
      '/A/AA',
      '/B/AA',
      '/A/file.go',
      '/B/file.txt',
      '/A/AA/file.go',
      '/B/AA/file.txt',
    ])
  })
  it('and with a directory brought back', () => {
    const files = { '/.kopiaignore': root, '/A/.kopiaignore': '# comment\n\n*.txt\n!*.go\n!/AB/', '/A/AB/.kopiaignore': '!*.txt' }
    expect(kept(files)).toEqual([
      '/A',
      '/B',
      '/A/AA',
      '/A/AB',
      '/B/AA',
      '/A/file.go',
      '/B/file.txt',
      '/A/AA/file.go',
      '/A/AB/file.txt',
      '/A/AB/file.go',
      '/B/AA/file.txt',
    ])
  })
  it('a sub-directory policy keeps the rules above, and switches ignore files off if it lists none', () => {
    const top = enterDirectory(
      outermostContext,
      '',
      { ignore: ['*.o'], ignoreDotFiles: ['.i'], maxFileSize: 10, oneFileSystem: true },
      () => undefined,
    )
    const reads: string[] = []
    const read = (name: string) => {
      reads.push(name)
      return '*.log'
    }
    expect(enterDirectory(top, '/x', undefined, () => undefined)).toBe(top)
    const sub = enterDirectory(top, '/sub', { ignore: ['*.c'] }, read)
    expect(reads).toEqual([])
    expect([isIgnored(sub, '/sub/a.o', false), isIgnored(sub, '/sub/a.c', false), isIgnored(sub, '/sub/a.log', false)]).toEqual([
      true,
      true,
      false,
    ])
    expect(sub).toMatchObject({ maxFileSizeBytes: 10, oneFileSystem: false })
    const withFile = enterDirectory(top, '/y', undefined, read)
    expect(withFile).toMatchObject({ maxFileSizeBytes: 10, oneFileSystem: true, dotFiles: ['.i'] })
    expect(isIgnored(withFile, '/y/a.log', false)).toBe(true)
  })
  it('says why an entry is hidden', () => {
    const top = enterDirectory(outermostContext, '', { ignore: ['*.o'], maxFileSize: 10, oneFileSystem: true }, () => undefined)
    const why = (path: string, sizeBytes: number, device: number) => whyHidden(top, path, { isDirectory: false, sizeBytes, device }, 1)
    expect([why('/a.o', 0, 1), why('/a', 11, 1), why('/a', 10, 2), why('/a', 10, 1)]).toEqual(['rule', 'size', 'device', undefined])
  })
})
