import yargs, { type Argv } from 'yargs'
import type { CommandContext } from './context.ts'
import { type Branch, isLeaf } from './node.ts'

/** Lets yargs walk to the command and run it. The line was read by argv.ts, so the values travel in the context argument of parse:
 *  yargs' own grammar would change what some of them mean (it strips quotes and splits dots). */
export async function dispatch(
  tree: Branch,
  path: readonly string[],
  context: CommandContext,
  values: Readonly<Record<string, unknown>>,
): Promise<void> {
  let failure: { error: unknown } | undefined
  const parser = addCommands(newParser(), tree, path, async () => {
    try {
      const leaf = path.reduce<Branch['children'][string] | undefined>(
        (at, word) => (at && !isLeaf(at) ? at.children[word] : undefined),
        tree,
      )
      if (!leaf || !isLeaf(leaf)) throw new Error(`no command ${path.join(' ')}`)
      await (await leaf.load()).run(context, values)
      if (leaf.maintains) await (await import('./maintain.ts')).maintainAfterWrite(context)
    } catch (error) {
      failure = { error }
    }
  })
  await parser.parseAsync([...path], { ...values })
  if (failure) throw failure.error
}

/** A yargs that neither prints nor exits nor rewrites words. */
export function newParser(): Argv {
  return yargs().scriptName('kura').exitProcess(false).help(false).version(false).locale('en').parserConfiguration({
    'boolean-negation': false,
    'camel-case-expansion': false,
    'dot-notation': false,
    'parse-numbers': false,
    'parse-positional-numbers': false,
    'short-option-groups': false,
  })
}

function addCommands(parser: Argv, branch: Branch, path: readonly string[], run: () => Promise<void>): Argv {
  const name = path[0] as string
  const node = branch.children[name]
  if (!node) return parser
  return parser.command({
    command: name,
    describe: node.describe,
    builder: (inner: Argv) => (isLeaf(node) ? inner : addCommands(inner, node, path.slice(1), run)),
    handler: async () => {
      if (isLeaf(node)) await run()
    },
  })
}
