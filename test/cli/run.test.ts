import { describe, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { CapturedIo } from './captured-io.ts'

async function kura(...words: string[]) {
  const io = new CapturedIo()
  const status = await runLine(words, { io, env: {} })
  return { status, out: io.output, err: io.errors }
}

describe('the command line', () => {
  test.each([
    [['no-such-command'], 'kura: error: expected command but got "no-such-command", try --help\n'],
    [['snapshot', 'list', '--no-such-flag'], "kura: error: unknown long flag '--no-such-flag', try --help\n"],
    [['snap'], "kura: error: must select a subcommand of 'snapshot', try --help\n"],
    [['cat'], "kura: error: required argument 'object-path' not provided, try --help\n"],
    [['snapshot', 'success'], 'kura: error: expected command but got "success", try --help\n'],
    [['ls', 'a', 'b'], 'kura: error: unexpected b, try --help\n'],
    [['blob', 'list', '--log-level=loud'], "kura: error: enum value must be one of debug,info,warning,error, got 'loud', try --help\n"],
  ])('%j is a usage error', async (words, err) => {
    expect(await kura(...words)).toEqual({ status: 1, out: '', err })
  })

  test('without words shows the visible commands', async () => {
    const { status, out, err } = await kura()
    expect({ status, err }).toEqual({ status: 0, err: '' })
    expect(out).toContain('usage: kura [<flags>] <command> [<args> ...]')
    expect(out).toContain('kura snapshot')
    expect(out).not.toContain('kura blob')
  })

  test('help of a command names its flags, not the hidden ones', async () => {
    const help = await kura('snapshot', 'list', '--help')
    expect(help.status).toBe(0)
    expect(help.out).toContain('--max-results')
    expect(help.out).not.toContain('--json-indent')
    expect((await kura('help', 'snapshot', 'list')).out).toBe(help.out)
  })

  test('--help-full also lists the commands of hidden groups', async () => {
    expect((await kura('--help-full')).out).toContain('kura blob list')
    expect((await kura('--help')).out).not.toContain('kura blob list')
  })

  test('--help wins over what is missing, not over what is wrong', async () => {
    expect((await kura('show', '--help')).status).toBe(0)
    expect((await kura('show', '--help', '--wrong')).status).toBe(1)
  })

  test('--version wins over everything', async () => {
    const { status, out } = await kura('--version', 'nonsense')
    expect(status).toBe(0)
    expect(out).toMatch(/^\S+ build: \S+ from: \n$/)
  })

  test('completion offers commands, flags and values', async () => {
    expect((await kura('--completion-bash', 'sn')).out.split('\n')).toContain('snapshot')
    expect((await kura('--completion-bash', 'snapshot', '')).out.split('\n')).toContain('create')
    expect((await kura('--completion-bash', 'snapshot', 'list', '--')).out.split('\n')).toContain('--max-results')
    expect((await kura('--completion-bash', 'blob', 'list', '--log-level')).out).toBe('debug\ninfo\nwarning\nerror')
  })

  test('a completion script can be had for each shell', async () => {
    expect((await kura('--completion-script-bash')).out).toContain('complete -o default -F _kura_complete kura')
    expect((await kura('--completion-script-zsh')).out).toContain('#compdef kura')
  })
})
