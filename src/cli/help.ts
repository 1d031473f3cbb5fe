import { type ParsedLine, parseLine } from './argv.ts'
import type { Flag, Positional } from './flag.ts'
import { describeFlag } from './flag-help.ts'
import { type Branch, isLeaf, type Leaf } from './node.ts'
import { columnsOf, type Row, rowLines, wrapped } from './print/columns.ts'
import type { Host } from './run.ts'
import { root } from './tree.ts'

/** Usage of the level that the line names (spec 06, 2.4; the layout is a free choice), as wide as COLUMNS or the terminal says. */
export function helpText(line: ParsedLine, host: Host, options: { readonly all: boolean }): string {
  const width = columnsOf(host.env['COLUMNS'], host.io.columns)
  const sections: [string, readonly Row[]][] = [
    ['Args:', (line.command?.args ?? []).map(argumentRow)],
    ['Flags:', line.flags.filter(({ hidden }) => !hidden).map(flagRow)],
  ]
  if (!isLeaf(line.at)) sections.push([commandsTitle(line, options.all), childRows(line.at, line.path, options.all)])
  const parts = [usageOf(line, width), wrapped(line.at.describe, width).join('\n')]
  for (const [title, rows] of sections) if (rows.length > 0) parts.push([title, ...rowLines(rows, width)].join('\n'))
  return `${parts.join('\n\n')}\n`
}

/** Everything: every command that is not hidden, one after another. */
export async function longHelp(host: Host): Promise<string> {
  const parts = [helpText(await parseLine([], root), host, { all: false })]
  for (const path of visiblePaths(root, [])) parts.push(helpText(await parseLine(path, root), host, { all: false }))
  return parts.join('\n')
}

/** Paths of all commands that `--help-full` would not hide, in the order of the tree. */
export function visiblePaths(branch: Branch, above: readonly string[]): string[][] {
  return Object.entries(branch.children)
    .filter(([, node]) => !node.hidden)
    .flatMap(([name, node]) => (isLeaf(node) ? [[...above, name]] : visiblePaths(node, [...above, name])))
}

const commandsTitle = (line: ParsedLine, all: boolean): string =>
  line.path.length > 0 ? 'Subcommands:' : all ? 'Commands:' : 'Commands (use --help-full to list all commands):'

function usageOf(line: ParsedLine, width: number): string {
  const words = ['kura', ...line.path].join(' ')
  const rest = isLeaf(line.at) ? (line.command?.args ?? []).map(argumentText) : ['<command>', '[<args> ...]']
  return wrapped(`usage: ${[words, '[<flags>]', ...rest].join(' ')}`, width).join('\n')
}

const argumentText = (argument: Positional): string => {
  const text = `<${argument.name}>${argument.repeated ? '...' : ''}`
  return argument.required ? text : `[${text}]`
}

const argumentRow = (argument: Positional): Row => ({ name: `  ${argumentText(argument)}`, text: choicesOf(argument) })

function flagRow(flag: Flag): Row {
  const long = flag.type === 'bool' ? `--[no-]${flag.name}` : `--${flag.name}=${flag.placeholder ?? flag.default ?? placeholderOf(flag)}`
  const name = `${flag.short === undefined ? '    ' : `-${flag.short}, `}${long}${flag.repeated ? ' ...' : ''}`
  const variable = flag.env === undefined ? '' : `($${flag.env})`
  const required = flag.required ? '(required)' : ''
  return { name: `  ${name}`, text: [describeFlag(flag), choicesOf(flag), required, variable].filter(Boolean).join(' ') }
}

const placeholderOf = ({ name }: Flag): string => name.toUpperCase()
const choicesOf = ({ values }: Positional): string => (values === undefined ? '' : `(one of: ${values.join(', ')})`)

function childRows(branch: Branch, path: readonly string[], all: boolean): Row[] {
  return Object.entries(branch.children).flatMap(([name, node]) => {
    if (node.hidden && !(all && !isLeaf(node))) return []
    const words = [...path, name]
    if (!isLeaf(node) && all) return childRows(node, words, all)
    return [{ name: `  kura ${words.join(' ')}`, text: [node.describe, aliasText(node)].filter(Boolean).join(' ') }]
  })
}

const aliasText = ({ aliases = [] }: Branch | Leaf): string => (aliases.length === 0 ? '' : `(also: ${aliases.join(', ')})`)
