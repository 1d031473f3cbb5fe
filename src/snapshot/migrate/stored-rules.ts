import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { decodeName } from '#snapshot/model/raw-name.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import { enterDirectory, type IgnoreContext } from '#snapshot/tree/ignore-rules.ts'

const maxIgnoreFileBytes = 64 << 20

/** enterDirectory for a directory in a repository: its ignore files are read from there. Links are not followed. Throws what reading them
 *  and their rules throw. */
export async function enterStoredDirectory(
  repository: Repository,
  entries: readonly DirectoryEntry[],
  at: { readonly path: string; readonly policy: PolicyTree; readonly rules: IgnoreContext },
): Promise<IgnoreContext> {
  const isDefined = at.policy.isDefined || at.path === ''
  const { files } = at.policy.effective
  const names = isDefined ? (files.ignoreDotFiles ?? []) : at.rules.dotFiles
  const texts = new Map<string, string>()
  for (const name of names) {
    const file = entries.find((e) => e.name === name && e.type === 'f')
    if (file) texts.set(name, decodeName(await repository.objects.readAll(file.objectId as ObjectId, maxIgnoreFileBytes)))
  }
  return enterDirectory(at.rules, at.path === '' ? '' : `/${at.path}`, isDefined ? files : undefined, (name) => texts.get(name))
}
