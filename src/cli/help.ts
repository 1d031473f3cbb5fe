import type { Argv, Options } from 'yargs'
import { type ParsedLine, parseLine } from './argv.ts'
import { newParser } from './dispatch.ts'
import type { Flag, Positional } from './flag.ts'
import { describeFlag } from './flag-help.ts'
import { type Branch, isLeaf, type Leaf } from './node.ts'
import type { Host } from './run.ts'
import { root } from './tree.ts'

/** Usage of the level that the line names, as yargs lays it out (spec 06, 2.4; the layout is a free choice). */
export async function helpText(line: ParsedLine, host: Host, options: { readonly all: boolean }): Promise<string> {
  const parser = newParser()
    .scriptName(['kura', ...line.path].join(' '))
    .wrap(widthOf(host))
    .updateStrings({
      'Commands:': commandsTitle(line, options.all),
      'Options:': 'Flags:',
      'Positionals:': 'Args:',
    })
  parser.usage('')
  addFlags(parser, line.flags)
  for (const argument of line.command?.args ?? []) parser.positional(argument.name, positionalOptions(argument))
  if (!isLeaf(line.at)) addChildren(parser, line.at, '', options.all)
  // The usage stays out of yargs' hands: its wrapping breaks short sentences.
  return `${usageOf(line)}\n\n${(await parser.getHelp()).trimStart()}\n`
}

/** Everything: every command that is not hidden, one after another. */
export async function longHelp(host: Host): Promise<string> {
  const parts = [await helpText(await parseLine([], root), host, { all: false })]
  for (const path of visiblePaths(root, [])) parts.push(await helpText(await parseLine(path, root), host, { all: false }))
  return parts.join('\n')
}

/** Paths of all commands that `--help-full` would not hide, in the order of the tree. */
export function visiblePaths(branch: Branch, above: readonly string[]): string[][] {
  return Object.entries(branch.children)
    .filter(([, node]) => !node.hidden)
    .flatMap(([name, node]) => (isLeaf(node) ? [[...above, name]] : visiblePaths(node, [...above, name])))
}

function widthOf(host: Host): number {
  const asked = Number(host.env['COLUMNS'])
  return Number.isInteger(asked) && asked > 20 ? asked : (host.io.columns ?? 80)
}

const commandsTitle = (line: ParsedLine, all: boolean): string =>
  line.path.length > 0 ? 'Subcommands:' : all ? 'Commands:' : 'Commands (use --help-full to list all commands):'

function usageOf(line: ParsedLine): string {
  const words = ['kura', ...line.path].join(' ')
  if (!isLeaf(line.at)) return `usage: ${words} [<flags>] <command> [<args> ...]\n\n${line.at.describe}`
  const args = (line.command?.args ?? []).map(argumentText)
  return `usage: ${[words, '[<flags>]', ...args].join(' ')}\n\n${line.at.describe}`
}

const argumentText = (argument: Positional): string => {
  const text = `<${argument.name}>${argument.repeated ? '...' : ''}`
  return argument.required ? text : `[${text}]`
}

function addFlags(parser: Argv, flags: readonly Flag[]): void {
  for (const flag of flags) {
    if (flag.hidden) continue
    const variable = flag.env === undefined ? '' : ` ($${flag.env})`
    const options: Options = {
      describe: `${describeFlag(flag)}${flag.repeated ? ' ...' : ''}${variable}`.trim(),
      ...(flag.type === 'bool' ? { boolean: true } : { string: true, requiresArg: true }),
      ...(flag.short === undefined ? {} : { alias: flag.short }),
      ...(flag.values === undefined ? {} : { choices: flag.values }),
      ...(flag.default === undefined ? {} : { defaultDescription: flag.default, default: flag.default }),
      ...(flag.required ? { demandOption: true } : {}),
    }
    parser.option(flag.name, options)
  }
}

const positionalOptions = (argument: Positional): Options & { type: 'string' } => ({
  type: 'string',
  ...(argument.repeated ? { array: true } : {}),
  ...(argument.default === undefined ? {} : { default: argument.default }),
})

function addChildren(parser: Argv, branch: Branch, prefix: string, all: boolean): void {
  for (const [name, node] of Object.entries(branch.children)) {
    if (node.hidden && !(all && !isLeaf(node))) continue
    if (isLeaf(node) || !all) parser.command([`${prefix}${name}`, ...aliasesOf(node, prefix)], node.describe)
    else addChildren(parser, node, `${prefix}${name} `, all)
  }
}

const aliasesOf = (node: Branch | Leaf, prefix: string): string[] => (prefix === '' ? [...(node.aliases ?? [])] : [])
