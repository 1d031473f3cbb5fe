import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { editText } from '#cli/editor.ts'
import { defineCommand } from '#cli/flag.ts'
import type { Policy } from '#snapshot/policy/policy.ts'
import { globalFlag, policyTargets, targetArgs } from './targets.ts'

const heading = `# Editing the policy of %s.
# Make changes, save and close the editor. Lines that start with # are left out.
# What is missing is inherited from the policies above.
`

export const edit = defineCommand({
  args: targetArgs,
  flags: [globalFlag],
  async run(c, values) {
    const [{ getPolicy, setPolicy }, { emptyPolicy }, { encodePolicyIndented }, { formatSource }] = await Promise.all([
      import('#snapshot/policy/store.ts'),
      import('#snapshot/policy/defaults.ts'),
      import('#snapshot/policy/policy-json.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    await c.write(async (repository) => {
      for (const target of await policyTargets(c, repository, values)) {
        const name = formatSource(target)
        const before = encodePolicyIndented((await getPolicy(repository, target))?.policy ?? emptyPolicy)
        const edited = await editPolicy(c, `${heading.replace('%s', name)}${before}\n`)
        if (encodePolicyIndented(edited) === before) {
          c.log.info(`Policy for ${name} unchanged`)
          continue
        }
        c.log.info(`Updated policy for ${name}\n${encodePolicyIndented(edited)}`)
        if (!/^y/i.test(await c.io.ask('Save updated policy? (y/N) '))) continue
        await setPolicy(repository, target, edited)
      }
    })
  },
})

/** Opens the text in the editor until what comes back is a policy. Throws CommandError when the person gives up. */
async function editPolicy(c: CommandContext, text: string): Promise<Policy> {
  const { decodePolicy } = await import('#snapshot/policy/policy-json.ts')
  return editText(c, text, 'policy.conf', async (edited) => {
    const kept = edited.split('\n').filter((l) => l.trim() !== '' && !l.startsWith('#'))
    try {
      return decodePolicy(JSON.parse(kept.join('\n')), { strict: true })
    } catch (error) {
      c.log.error(`error parsing policy: ${messageOf(error)}`)
      return undefined
    }
  })
}
