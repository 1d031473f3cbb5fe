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
      const command = await leaf.load()
      const maintenance = leaf.maintains ? loadMaintain() : undefined
      await command.run(context, values)
      if (maintenance) await (await maintenance).maintainAfterWrite(context)
    } catch (error) {
      failure = { error }
    }
  })
  await parser.parseAsync([...path], { ...values })
  if (failure) throw failure.error
}

/** The module that maintains afterwards, with all that it will load, while the repository's key is being derived. */
function loadMaintain(): Promise<typeof import('./maintain.ts')> {
  const loading = import('./maintain.ts')
  // A failure is for whoever waits for the module.
  loading.then((m) => m.loadMaintenance()).catch(() => undefined)
  return loading
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
