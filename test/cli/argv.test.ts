import { describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { bindValues, parseLine } from '#cli/argv.ts'
import { defineCommand } from '#cli/flag.ts'
import type { Branch } from '#cli/node.ts'

const run = async () => {}
const copy = defineCommand({
  args: [
    { name: 'from', type: 'string', required: true },
    { name: 'to', type: 'string' },
  ],
  flags: [
    { name: 'all', short: 'a', type: 'bool' },
    { name: 'brief', short: 'b', type: 'bool', default: 'true' },
    { name: 'count', short: 'n', type: 'int' },
    { name: 'name', short: 'x', type: 'string', env: 'COPY_NAME' },
    { name: 'tag', type: 'string', repeated: true, env: 'COPY_TAGS' },
    { name: 'color', type: 'enum', values: ['red', 'blue'] },
    { name: 'full', type: 'bool-with-value', default: 'true' },
    { name: 'no-thing', type: 'bool' },
    { name: 'age', type: 'duration' },
  ],
  run,
})
const each = defineCommand({
  args: [{ name: 'item', type: 'string', repeated: true, required: true }],
  flags: [{ name: 'path', type: 'string', required: true }],
  run,
})
const tree: Branch = {
  describe: '',
  children: {
    copy: { describe: '', aliases: ['cp'], load: async () => copy },
    group: {
      describe: '',
      aliases: ['grp'],
      flags: async () => [{ name: 'shared', type: 'string' }],
      children: { each: { describe: '', load: async () => each } },
    },
  },
}

async function values(words: string[], env: Record<string, string> = {}) {
  const line = await parseLine(words, tree)
  if (line.error) throw line.error
  return bindValues(line, env)
}

describe('a command line', () => {
  test.each<[string[], Record<string, unknown>]>([
    [['copy', 'x'], { from: 'x', to: undefined, all: false, brief: true, tag: [], full: true }],
    [['cp', 'x', 'y'], { from: 'x', to: 'y' }],
    [['copy', '--name', 'v', 'x'], { name: 'v', from: 'x' }],
    [['copy', '--name=v=w', 'x'], { name: 'v=w' }],
    [['copy', '--name=', 'x'], { name: '' }],
    [['copy', '--name="quoted"', 'x'], { name: '"quoted"' }],
    [['copy', '--name=a.b', '--tag=c.d', 'x'], { name: 'a.b', tag: ['c.d'] }],
    [['copy', 'x', '--all', 'y', '--no-brief'], { all: true, brief: false, to: 'y' }],
    [['copy', '-ab', 'x'], { all: true, brief: true }],
    [['copy', '-an5', 'x'], { all: true, count: 5 }],
    [['copy', '-n', '5', 'x'], { count: 5 }],
    [['copy', '-x=v', 'x'], { name: '=v' }],
    [['copy', '--tag', 'a', 'x', '--tag=b'], { tag: ['a', 'b'], from: 'x' }],
    [['copy', '--', '--all', '-n'], { from: '--all', to: '-n', all: false }],
    [['copy', '-', 'x'], { from: '', to: 'x' }],
    [['copy', '--name', '-', 'x'], { name: '' }],
    [['copy', '--name=-', 'x'], { name: '-' }],
    [['copy', '@file'], { from: '@file' }],
    [['copy', '--all=false', 'y'], { all: true, from: 'false', to: 'y' }],
    [['copy', '--full=false', '--full=true', '--full', 'f', 'x'], { full: false }],
    [['copy', '--no-thing', 'x'], { 'no-thing': true }],
    [['copy', '--no-no-thing', 'x'], { 'no-thing': false }],
    [['copy', '--count=1e3', 'x'], { count: 1000 }],
    [['copy', '--count=-5.9', 'x'], { count: -5 }],
    [['copy', '--age=1h30m', 'x'], { age: 5_400_000_000_000n }],
    [['--log-level=error', 'copy', 'x', '--password', ' p '], { 'log-level': 'error', password: ' p ' }],
    [['grp', '--shared=s', 'each', '--path=p', 'i', 'j'], { shared: 's', path: 'p', item: ['i', 'j'] }],
    [['group', 'each', 'i', '--path=p', '--shared', 's'], { shared: 's', path: 'p', item: ['i'] }],
  ])('%j', async (words, expected) => {
    expect(await values(words)).toMatchObject(expected)
  })

  test.each<[string[], string]>([
    [['nothing'], 'expected command but got "nothing"'],
    [['group'], "must select a subcommand of 'group'"],
    [['grp'], "must select a subcommand of 'group'"],
    [['copy', '--nope', 'x'], "unknown long flag '--nope'"],
    [['copy', '-q', 'x'], "unknown short flag '-q'"],
    [['copy', '--no-name', 'x'], "unknown long flag '--no-name'"],
    [['--name=v', 'copy', 'x'], "unknown long flag '--name'"],
    [['copy', 'x', '--name'], "expected argument for flag '--name'"],
    [['copy', '--count', '-5', 'x'], "expected argument for flag '--count'"],
    [['copy', '-x'], "expected argument for flag '--name'"],
    [['copy', '--full', '--all', 'x'], "expected argument for flag '--full'"],
    [['copy', 'a', 'b', 'c'], 'unexpected c'],
    [['copy'], "required argument 'from' not provided"],
    [['group', 'each', 'x'], "required flag(s) '--path' not provided"],
    [['group', 'each', '--path=p'], "required argument 'item' not provided"],
    [['copy', '--name=a', '--name=b', 'x'], "flag 'name' cannot be repeated"],
    [['copy', '--all', '--no-all', 'x'], "flag 'all' cannot be repeated"],
    [['copy', '--color=green', 'x'], "enum value must be one of red,blue, got 'green'"],
    [['copy', '--count=x', 'x'], 'strconv.ParseFloat: parsing "x": invalid syntax'],
    [['copy', '--age=5', 'x'], 'time: invalid duration "5"'],
  ])('%j is refused', async (words, message) => {
    await expect(values(words)).rejects.toThrow(new UsageError(message))
  })
})

describe('the environment', () => {
  test('gives the value of a flag that the line lacks', async () => {
    expect(await values(['copy', 'x'], { COPY_NAME: 'e' })).toMatchObject({ name: 'e' })
  })
  test('yields to the command line', async () => {
    expect(await values(['copy', 'x', '--name=l'], { COPY_NAME: 'e' })).toMatchObject({ name: 'l' })
  })
  test('counts as unset when empty', async () => {
    expect((await values(['copy', 'x'], { COPY_NAME: '' }))['name']).toBeUndefined()
  })
  test('is split at newlines for a repeated flag', async () => {
    expect(await values(['copy', 'x'], { COPY_TAGS: 'a b\nc' })).toMatchObject({ tag: ['a b', 'c'] })
  })
})
