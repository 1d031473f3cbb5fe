import { readFileSync, statSync } from 'node:fs'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import type { Policy } from '#snapshot/policy/policy.ts'
import { PolicyChanges } from './changes.ts'
import { type SetValues, setFlags } from './set-flags.ts'
import { applyScheduling } from './set-scheduling.ts'
import { applyValues } from './set-values.ts'
import { globalFlag, policyTargets, targetArgs } from './targets.ts'

export const set = defineCommand({
  args: targetArgs,
  flags: [globalFlag, ...setFlags],
  async run(c, values) {
    const [{ getPolicy, setPolicy }, { emptyPolicy }, { formatSource }] = await Promise.all([
      import('#snapshot/policy/store.ts'),
      import('#snapshot/policy/defaults.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    await c.write(async (repository) => {
      for (const target of await policyTargets(c, repository, values)) {
        c.log.info(`Setting policy for ${formatSource(target)}`)
        const before: Policy = (await getPolicy(repository, target))?.policy ?? emptyPolicy
        const changes = new PolicyChanges(before, (line) => c.log.info(` - ${line}`))
        applyAll(changes, values)
        if (changes.count === 0) throw new CommandError('no changes specified')
        await setPolicy(repository, target, changes.policy)
      }
    })
  },
})

/** Every flag of "policy set", section by section. Throws CommandError for a value that does not fit. */
export function applyAll(changes: PolicyChanges, values: SetValues): void {
  applyValues(changes, values)
  applyScheduling(changes, values)
  applyActions(changes, values)
}

const maxScriptBytes = 32_000

const actionFlags = [
  ['before-folder-action', 'beforeFolder'],
  ['after-folder-action', 'afterFolder'],
  ['before-snapshot-root-action', 'beforeSnapshotRoot'],
  ['after-snapshot-root-action', 'afterSnapshotRoot'],
] as const

function applyActions(changes: PolicyChanges, values: SetValues): void {
  for (const [flag, key] of actionFlags) {
    const text = values[flag]
    if (text === '-') continue
    if (text === '') {
      changes.remove(['actions', key], `removing ${flag}`)
      continue
    }
    const timeout = Number(values['action-command-timeout'] / 1_000_000_000n)
    const mode = values['action-command-mode']
    const what = values['persist-action-script'] ? { script: scriptOf(text) } : commandOf(text)
    changes.set(['actions', key], { ...what, timeout, mode }, `setting ${flag} to ${text}`)
  }
}

function scriptOf(path: string): string {
  if (statSync(path).size > maxScriptBytes) throw new CommandError(`the action script ${path} is longer than ${maxScriptBytes} bytes`)
  return readFileSync(path, 'utf8')
}

/** Splits like one CSV record with blanks between the fields and `"` as quote (spec 06, 10.2). */
function commandOf(text: string): { path: string; args?: string[] } {
  const fields = [...text.matchAll(/"((?:[^"]|"")*)"(?: |$)|([^ ]*)(?: |$)/gy)].map((m) => m[1]?.replaceAll('""', '"') ?? m[2] ?? '')
  // The pattern matches once more, emptily, at the end.
  if (!/ $/.test(text)) fields.pop()
  const [path = '', ...args] = fields
  return args.length > 0 ? { path, args } : { path }
}
