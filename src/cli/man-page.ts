import { parseLine } from './argv.ts'
import type { Flag, Positional } from './flag.ts'
import { describeFlag } from './flag-help.ts'
import { builtinFlags, globalFlags } from './global-flags.ts'
import { visiblePaths } from './help.ts'
import { type Branch, isLeaf } from './node.ts'
import { programVersion } from './version.ts'

const about = [
  'kura makes encrypted, deduplicated snapshots of folders in a repository that Kopia also reads and writes, and shows them as folders.',
  'Writing into the folder backup/ of a mount is backing up: a flush makes a snapshot of it.',
]

const files: readonly (readonly [string, string])[] = [
  ['~/.config/kopia/repository.config', 'The connection to the repository. Another one is chosen by --config-file or KOPIA_CONFIG_PATH.'],
  ['~/.cache/kopia', 'Caches, log files, and what was written into backup/ and is in no snapshot yet.'],
  ['.kopiaignore', 'In any folder: rules of what is left out of snapshots, as in .gitignore.'],
]

const statuses: readonly (readonly [string, string])[] = [
  ['0', 'All went well.'],
  ['1', 'Something failed; standard error says what.'],
  ['3', 'kura unmount: the mount is gone, but not all that was written is in a snapshot yet. It is kept.'],
  ['4', 'kura unmount: the mount is in use, and stays.'],
]

/** The manual page in section 1, in the man macros of roff: what `man -l` and `mandoc` read (spec 06, 2.4: `--help-man`). */
export async function manPage(root: Branch): Promise<string> {
  const lines = [
    `.TH KURA 1 "" "kura ${plain(programVersion)}" "User commands"`,
    '.SH NAME',
    'kura \\- backups that are simply there, as a folder',
    '.SH SYNOPSIS',
    '.B kura',
    '[\\fIflags\\fR] \\fIcommand\\fR [\\fIarguments\\fR]',
    '.SH DESCRIPTION',
    ...about.map(plain),
    '.SH COMMANDS',
  ]
  for (const path of visiblePaths(root, [])) lines.push(...(await commandLines(path, root)))
  lines.push('.SH GLOBAL FLAGS', ...[...builtinFlags, ...globalFlags].flatMap(flagLines))
  lines.push('.SH FILES', ...files.flatMap(([name, text]) => tagged(`\\fI${plain(name)}\\fR`, text)))
  lines.push('.SH EXIT STATUS', ...statuses.flatMap(([status, text]) => tagged(`\\fB${status}\\fR`, text)))
  return `${lines.join('\n')}\n`
}

async function commandLines(path: readonly string[], root: Branch): Promise<string[]> {
  const line = await parseLine(path, root)
  if (!isLeaf(line.at)) return []
  const shared = new Set<string>([...builtinFlags, ...globalFlags].map(({ name }) => name))
  const args = (line.command?.args ?? []).map(argumentText)
  return [
    `.SS ${['kura', ...path, ...args].map(plain).join(' ')}`,
    sentence(line.at.describe),
    ...line.flags.filter(({ name }) => !shared.has(name)).flatMap(flagLines),
  ]
}

const argumentText = ({ name, repeated, required }: Positional): string => {
  const text = `${name.toUpperCase()}${repeated ? '...' : ''}`
  return required ? text : `[${text}]`
}

function flagLines(flag: Flag): string[] {
  if (flag.hidden) return []
  const name =
    flag.type === 'bool' ? flag.name : `${flag.name}=\\fI${plain(flag.placeholder ?? flag.default ?? flag.name.toUpperCase())}\\fR`
  const short = flag.short === undefined ? '' : `\\fB\\-${flag.short}\\fR, `
  const ends = [
    flag.values === undefined ? '' : `One of ${flag.values.join(', ')}.`,
    flag.repeated ? 'May be given several times.' : '',
    flag.env === undefined ? '' : `Also from the variable ${flag.env}.`,
  ]
  return tagged(`${short}\\fB\\-\\-${name.replace(/^[^=]*/, plain)}\\fR`, [stop(describeFlag(flag)), ...ends].filter(Boolean).join(' '))
}

const tagged = (tag: string, text: string): string[] => ['.TP', tag, sentence(text)]
const stop = (text: string): string => (text === '' || /[.!?]$/.test(text) ? text : `${text}.`)

/** Text as one line that roff takes for text, whatever it starts with. */
const sentence = (text: string): string => {
  const escaped = plain(stop(text))
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped
}

/** Characters that mean something to roff as themselves; hyphens that can be copied. */
const plain = (text: string): string => text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('\n', ' ')
