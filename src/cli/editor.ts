import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandContext } from './context.ts'
import { CommandError } from './exit.ts'

/** Opens the text in the editor until `accept` makes something of what comes back. `accept` says itself what is wrong when it answers with
 *  undefined. Throws CommandError when the person gives up, and when there is no editor. */
export async function editText<T>(
  c: CommandContext,
  text: string,
  fileName: string,
  accept: (text: string) => Promise<T | undefined>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'kura-edit-'))
  const file = join(folder, fileName)
  try {
    writeFileSync(file, text, { mode: 0o600 })
    for (;;) {
      runEditor(c, file)
      const result = await accept(readFileSync(file, 'utf8'))
      if (result !== undefined) return result
      if (/^n/i.test(await c.io.ask('Reopen editor to fix? (Y/n) '))) throw new CommandError('aborted')
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** `VISUAL`, else `EDITOR`; the program may stand in double quotes (spec 06, 10.1). */
function runEditor(c: CommandContext, file: string): void {
  const wanted = c.env['VISUAL'] || c.env['EDITOR'] || (process.platform === 'win32' ? 'notepad.exe' : 'vi')
  const quoted = /^"([^"]*)"\s*(.*)$/.exec(wanted)
  const [program = 'vi', ...args] = quoted
    ? [quoted[1] as string, ...(quoted[2] as string).split(' ').filter((w) => w !== '')]
    : wanted.split(' ')
  const { error, status } = spawnSync(program, [...args, file], { stdio: 'inherit' })
  if (error) throw new CommandError(`cannot run the editor ${program}: ${error.message}. Set EDITOR.`, { cause: error })
  if (status !== 0) throw new CommandError(`the editor ${program} failed`)
}
