import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import type { Flag, Positional } from '#cli/flag.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'

export const targetArgs = [{ name: 'target', type: 'string', repeated: true }] as const satisfies readonly Positional[]
export const globalFlag = { name: 'global', type: 'bool' } as const satisfies Flag

/** Targets of a policy command: the global one, or those named by policy ID or as sources (spec 06, section 10). */
export async function policyTargets(
  c: CommandContext,
  repository: Repository,
  values: { readonly global: boolean; readonly target: readonly string[] },
): Promise<SourceInfo[]> {
  if (values.global === values.target.length > 0) throw new CommandError("must pass either '--global' or a list of path targets")
  return namedTargets(c, repository, values)
}

/** The same, but neither gives an empty list, which means all (export, import). */
export async function namedTargets(
  _c: CommandContext,
  repository: Repository,
  values: { readonly global: boolean; readonly target: readonly string[] },
): Promise<SourceInfo[]> {
  const [{ getPolicyById }, { globalSource, parseSource }] = await Promise.all([
    import('#snapshot/policy/store.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  if (values.global && values.target.length > 0) throw new CommandError("must pass either '--global' or a list of path targets")
  if (values.global) return [globalSource]
  const targets: SourceInfo[] = []
  for (const text of values.target) {
    const byId = /^[0-9a-f]{32}$/.test(text) ? await getPolicyById(repository, text) : undefined
    targets.push(byId?.target ?? parseSource(text, { user: repository.client.username, host: repository.client.hostname }))
  }
  return targets
}
