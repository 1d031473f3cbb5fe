import type { Repository } from '#repo/repository/repository.ts'
import type { Policy, PolicyTree } from '#snapshot/policy/policy.ts'
import { type IgnoreContext, outermostContext, whyHidden } from '#snapshot/tree/ignore-rules.ts'
import { enterFrozenDirectory } from './frozen-rules.ts'
import { type FrozenDirectory, type FrozenFile, type Member, membersOf } from './members.ts'
import { isRubbish } from './rubbish.ts'

/** A changed file that the next flush will store. */
export interface Candidate {
  readonly node: FrozenFile
  readonly name: string
  readonly effective: Policy
}

export interface CandidateRequest {
  readonly repository: Repository
  readonly root: FrozenDirectory
  readonly policyTree: PolicyTree
  readonly keepRubbish: boolean
  readonly isWanted: (node: FrozenFile) => boolean
}

interface Place {
  readonly relative: string
  readonly policy: PolicyTree
  readonly parentRules: IgnoreContext
}

/** Changed files that nobody is writing and that no rule leaves out, those first that were left alone longest. */
export async function candidates(request: CandidateRequest): Promise<Candidate[]> {
  const found: Candidate[] = []
  await collect(request, request.root, { relative: '', policy: request.policyTree, parentRules: outermostContext }, found)
  return found.sort((a, b) => (a.node.changedNs < b.node.changedNs ? -1 : a.node.changedNs > b.node.changedNs ? 1 : 0))
}

async function collect(request: CandidateRequest, node: FrozenDirectory, place: Place, found: Candidate[]): Promise<void> {
  if (!node.changed) return
  const { repository } = request
  const members = await membersOf(repository, node, node.lower, false)
  const rules = await enterFrozenDirectory(repository, place, members, () => undefined)
  if (rules.isCache) return
  for (const member of members) await collectOne(request, member, { ...place, parentRules: rules.context }, found)
}

async function collectOne(request: CandidateRequest, { name, node }: Member, above: Place, found: Candidate[]): Promise<void> {
  if (node?.kind !== 'file' && node?.kind !== 'directory') return
  const isDirectory = node.kind === 'directory'
  const relative = above.relative === '' ? name : `${above.relative}/${name}`
  const sizeBytes = isDirectory ? 0 : node.sizeBytes
  if (whyHidden(above.parentRules, `/${relative}`, { isDirectory, sizeBytes, device: 0 }, 0) !== undefined) return
  if (!request.keepRubbish && isRubbish(name, !isDirectory && node.isBeingWritten)) return
  const policy = above.policy.child(name)
  if (isDirectory) await collect(request, node, { ...above, relative, policy }, found)
  else if (!node.isBeingWritten && request.isWanted(node)) found.push({ node, name, effective: policy.effective })
}
