import type { Command, Flag } from './flag.ts'

/** A command: `load` brings in its module, which nobody else pays for. */
export interface Leaf {
  readonly describe: string
  readonly aliases?: readonly string[]
  readonly hidden?: boolean
  /** Works without the connected repository; all others have it opened while the rest of the program is still loading. */
  readonly standsAlone?: boolean
  /** Is followed by automatic maintenance when it has succeeded (spec 06, 4.4). */
  readonly maintains?: boolean
  readonly load: () => Promise<Command>
}

/** A word that only groups other commands; its flags hold for all of them. */
export interface Branch {
  readonly describe: string
  readonly aliases?: readonly string[]
  readonly hidden?: boolean
  readonly children: Readonly<Record<string, Branch | Leaf>>
  readonly flags?: () => Promise<readonly Flag[]>
}

export const isLeaf = (node: Branch | Leaf): node is Leaf => 'load' in node

/** The child with that name or alias; `name` is the real one. */
export function findChild(branch: Branch, word: string): { readonly name: string; readonly node: Branch | Leaf } | undefined {
  const direct = Object.hasOwn(branch.children, word) ? branch.children[word] : undefined
  if (direct) return { name: word, node: direct }
  for (const [name, node] of Object.entries(branch.children)) if (node.aliases?.includes(word)) return { name, node }
  return undefined
}
