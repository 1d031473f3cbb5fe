import type { SourceInfo } from '#snapshot/model/source.ts'
import type { DefinedPolicy } from './merge.ts'
import type { Policy, PolicyTree } from './policy.ts'

class TreeNode implements PolicyTree {
  readonly children = new Map<string, TreeNode>()
  #inherited: PolicyTree | undefined

  constructor(
    public effective: Policy,
    public isDefined: boolean,
  ) {}

  child(name: string): PolicyTree {
    return this.children.get(name) ?? this.#withoutNode
  }

  /** Anything below that no policy names: this policy, not defined there. */
  get #withoutNode(): PolicyTree {
    if (this.#inherited) return this.#inherited
    const effective = this.effective
    const inherited: PolicyTree = { effective, isDefined: false, child: () => inherited }
    this.#inherited = inherited
    return inherited
  }
}

/** The tree for a source: its effective policy at the root, and the path policies below it, each used alone (not merged). `below` may
 *  hold any policies, oldest first; those of other users, hosts or places are passed over. Source: spec 03, 7.4; spec 07, 7.3.2. */
export function buildPolicyTree(effective: Policy, source: SourceInfo, below: readonly DefinedPolicy[]): PolicyTree {
  const root = new TreeNode(effective, true)
  const defined = below.map((d) => ({ ...d, names: namesBelow(source, d.target) })).filter((d) => d.names !== undefined)
  for (const { names, policy } of defined) {
    let node = root
    for (const name of names as string[]) {
      let next = node.children.get(name)
      if (!next) {
        next = new TreeNode(node.effective, false)
        node.children.set(name, next)
      }
      node = next
    }
    node.effective = policy
    node.isDefined = true
  }
  inherit(root)
  return root
}

function inherit(node: TreeNode): void {
  for (const child of node.children.values()) {
    if (!child.isDefined) child.effective = node.effective
    inherit(child)
  }
}

const isWindowsPath = (path: string): boolean => /^[A-Za-z]:[\\/]/.test(path) || path.startsWith('\\\\')

/** Path elements from a source down to a policy's target; undefined if it does not lie below. */
export function namesBelow(source: SourceInfo, target: SourceInfo): string[] | undefined {
  if (target.user !== source.user || target.host !== source.host || target.path === '') return undefined
  const trimmed = source.path.replace(/[\\/]$/, '')
  if (!target.path.startsWith(trimmed) || !/^[\\/]/.test(target.path.slice(trimmed.length))) return undefined
  const relative = target.path.slice(trimmed.length + 1)
  const names = (isWindowsPath(source.path) ? relative.replaceAll('\\', '/') : relative).split('/').filter((n) => n !== '')
  return names.length > 0 ? names : undefined
}
