import { KuraError } from '#base/errors.ts'
import type { Labels } from '#repo/manifest/manifest.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { compareSources, formatSource, sameSource } from '#snapshot/model/source-text.ts'
import { emptyPolicy } from './defaults.ts'
import { type DefinedPolicy, type MergedPolicy, mergePolicies } from './merge.ts'
import type { Policy, PolicyTree } from './policy.ts'
import { decodePolicy, encodePolicy, PolicyFormatError } from './policy-json.ts'
import { buildPolicyTree } from './policy-tree.ts'
import { validatePolicy } from './validation.ts'

const manifestType = 'policy'

/** Labels of a target's policy (spec 03, 7.1). */
export function policyLabels({ user, host, path }: SourceInfo): Labels {
  if (path !== '') return { type: manifestType, policyType: 'path', username: user, hostname: host, path }
  if (user !== '') return { type: manifestType, policyType: 'user', username: user, hostname: host }
  if (host !== '') return { type: manifestType, policyType: 'host', hostname: host }
  return { type: manifestType, policyType: 'global' }
}

function targetOf(labels: Labels): SourceInfo {
  const { policyType, username = '', hostname = '', path = '' } = labels
  if (policyType === 'path') return { user: username, host: hostname, path }
  if (policyType === 'user') return { user: username, host: hostname, path: '' }
  if (policyType === 'host') return { user: '', host: hostname, path: '' }
  return { user: '', host: '', path: '' }
}

async function load(repository: Repository, labels: Labels): Promise<DefinedPolicy[]> {
  const found: DefinedPolicy[] = []
  for (const { id } of await repository.manifests.find(labels)) {
    try {
      const { info, payload } = await repository.manifests.get(id)
      found.push({ id, target: targetOf(info.labels), policy: decodePolicy(payload) })
    } catch (error) {
      if (error instanceof KuraError && error.code === 'MANIFEST_NOT_FOUND') continue
      if (error instanceof PolicyFormatError) throw new PolicyFormatError(`policy manifest ${id}: ${error.message}`, { cause: error })
      throw error
    }
  }
  return found
}

/** The policy defined for exactly this target, the newest if there are several; undefined if there is none. Throws PolicyFormatError. */
export async function getPolicy(repository: Repository, target: SourceInfo): Promise<DefinedPolicy | undefined> {
  return (await load(repository, policyLabels(target))).at(-1)
}

/** Defines the policy of a target in place of all earlier ones; returns its ID. Throws UsageError for what validatePolicy refuses. */
export async function setPolicy(repository: Repository, target: SourceInfo, policy: Policy): Promise<string> {
  validatePolicy(target, policy)
  return repository.manifests.replace(policyLabels(target), encodePolicy(policy))
}

/** Removes the policy of a target; false if it had none. */
export async function removePolicy(repository: Repository, target: SourceInfo): Promise<boolean> {
  const infos = await repository.manifests.find(policyLabels(target))
  for (const { id } of infos) await repository.manifests.delete(id)
  return infos.length > 0
}

/** The policy with this manifest ID, or undefined. */
export async function getPolicyById(repository: Repository, id: string): Promise<DefinedPolicy | undefined> {
  return (await load(repository, { type: manifestType })).find((p) => p.id === id)
}

/** All policies in order of their targets' text forms; of several for one target only the newest. */
export async function listPolicies(repository: Repository): Promise<DefinedPolicy[]> {
  const byTarget = new Map((await load(repository, { type: manifestType })).map((p) => [formatSource(p.target), p]))
  return [...byTarget.values()].sort((a, b) => compareSources(a.target, b.target))
}

export interface EffectivePolicy extends MergedPolicy {
  /** What was merged, most specific first; the first is of the source itself (empty and without ID if it has none). */
  readonly chain: readonly DefinedPolicy[]
}

/** The policy in force at a source. `override` stands in for the one defined there. Throws PolicyFormatError.
 *  Source: spec 03, 7.3. */
export async function effectivePolicy(repository: Repository, source: SourceInfo, override?: Policy): Promise<EffectivePolicy> {
  return effectiveAmong(await load(repository, { type: manifestType }), source, override)
}

/** effectivePolicy among policies already loaded, oldest first. */
export function effectiveAmong(all: readonly DefinedPolicy[], source: SourceInfo, override?: Policy): EffectivePolicy {
  const chain: DefinedPolicy[] = []
  for (const target of targetsAbove(source)) {
    if (override && sameSource(target, source)) chain.push({ id: '', target, policy: override })
    else chain.push(...all.filter((p) => sameSource(p.target, target)))
  }
  if (!chain[0] || !sameSource(chain[0].target, source)) chain.unshift({ id: '', target: source, policy: emptyPolicy })
  return { ...mergePolicies(chain), chain }
}

/** The source and everything its policy inherits from: parent folders, user@host, host, global. */
export function targetsAbove(source: SourceInfo): SourceInfo[] {
  const { user, host } = source
  const targets: SourceInfo[] = []
  if (source.path !== '') {
    for (let path = source.path; ; ) {
      targets.push({ user, host, path })
      const parent = parentPath(path)
      if (parent === path) break
      path = parent
    }
  }
  if (user !== '') targets.push({ user, host, path: '' })
  if (host !== '') targets.push({ user: '', host, path: '' })
  targets.push({ user: '', host: '', path: '' })
  return targets
}

/** Folder above, for paths of any system; a root is its own parent (spec 03, 7.3). */
export function parentPath(path: string): string {
  const volume = /^[A-Za-z]:(?=[\\/])/.exec(path)?.[0] ?? ''
  const rest = path.slice(volume.length)
  if (rest.length <= 1) return path
  const trimmed = /[\\/]$/.test(rest) ? rest.slice(0, -1) : rest
  const cut = Math.max(trimmed.lastIndexOf('/'), trimmed.lastIndexOf('\\'))
  return cut < 0 ? path : volume + (cut === 0 ? trimmed.slice(0, 1) : trimmed.slice(0, cut))
}

/** The policies in force at a source and below it. `override` as in effectivePolicy. Throws PolicyFormatError. */
export async function policyTreeFor(repository: Repository, source: SourceInfo, override?: Policy): Promise<PolicyTree> {
  const all = await load(repository, { type: manifestType })
  return buildPolicyTree(effectiveAmong(all, source, override).effective, source, all)
}
