import { StagingNode } from './node.ts'
import type { StagingTree } from './tree.ts'

/** Forgotten children of a directory before all of them are looked at. */
const leastForgotten = 64

/** The kernel has forgotten a node. What the lower tree has just so by now (it was flushed) leaves the table: a directory's children when
 *  the directory itself is forgotten, or when as many of them were as half of all. */
export function forgotten(tree: StagingTree, node: StagingNode): void {
  if (tree.isFrozen || tree.isAhead) return
  if (node.isDirectory) letGo(tree, node)
  const { parent } = node
  if (parent?.children === undefined || node.hadLinks || parent.children.get(node.name) !== node) return
  if (++parent.forgotten >= Math.max(leastForgotten, parent.children.size / 2)) letGo(tree, parent)
}

/** Lets listings of the directory be made of its present object, and drops what is equal to its entries. */
function letGo(tree: StagingTree, directory: StagingNode): void {
  directory.forgotten = 0
  if (directory.isCounted || directory.isLeftOut || directory.children === undefined || directory.base === '') return
  if (tree.isLoading(directory.id)) return
  if (directory.view !== directory.base) {
    const table = tree.tableIn(directory.id)
    if (table !== undefined && (table.known > 0 || table.below > 0)) return // the kernel knows rows of the old object
    if (table !== undefined) tree.detach(table)
    directory.view = directory.base
    directory.subdirectories = undefined
    for (const [name, child] of directory.children) if (child === 'gone') directory.children.delete(name)
  }
  for (const [name, child] of directory.children) {
    if (!(child instanceof StagingNode) || child.parent !== directory || child.name !== name || !isIdle(tree, child)) continue
    directory.children.delete(name)
    tree.nodes.delete(child.id)
    tree.onGone(child)
  }
}

/** Nobody knows the node, and it is as the lower tree has it. */
function isIdle(tree: StagingTree, node: StagingNode): boolean {
  if (node.isCounted || node.isLeftOut || node.hadLinks || node.lookups > 0 || node.opens > 0 || node.base === '') return false
  if (node.ranges !== undefined || node.reservedBytes > 0 || node.facts.links === 0) return false
  return node.children === undefined || (node.children.size === 0 && tree.tableIn(node.id) === undefined)
}
