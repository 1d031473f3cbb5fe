import { readFileSync } from 'node:fs'
import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { editText } from '#cli/editor.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { sendSettings } from '#cli/notify.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { templateName } from './name.ts'

export const set = defineCommand({
  args: [templateName],
  flags: [
    { name: 'from-stdin', type: 'bool', describe: 'Read the template from standard input' },
    { name: 'from-file', type: 'existingFile', describe: 'Read the template from a file' },
    { name: 'editor', type: 'bool', describe: 'Change the template in an editor' },
  ],
  async run(c, values) {
    if (!values['from-stdin'] && values['from-file'] === undefined && !values.editor)
      throw new CommandError('must specify either --from-file, --from-stdin or --editor')
    const { setTemplate } = await import('#snapshot/notify/templates.ts')
    await c.write(async (repository) => setTemplate(repository, values.template, await newText(c, repository, values)))
  },
})

async function newText(
  c: CommandContext,
  repository: Repository,
  values: { readonly template: string; readonly 'from-stdin': boolean; readonly 'from-file': string | undefined },
): Promise<string> {
  if (values['from-stdin']) return (await c.io.readInput()).toString('utf8')
  if (values['from-file'] !== undefined) return readFileSync(values['from-file'], 'utf8')
  return edited(c, repository, values.template)
}

/** The template as it comes back from the editor, once it can be rendered. Throws CommandError when the person gives up. */
async function edited(c: CommandContext, repository: Repository, name: string): Promise<string> {
  const [{ builtinTemplate, customTemplate }, { renderMessage }, { sampleEvent }] = await Promise.all([
    import('#snapshot/notify/templates.ts'),
    import('#snapshot/notify/send.ts'),
    import('#snapshot/notify/sample-event.ts'),
  ])
  const settings = sendSettings(c, repository)
  const before = (await customTemplate(repository, name)) ?? builtinTemplate(name)
  return editText(c, before, 'template.txt', async (text) => {
    try {
      renderMessage(text, sampleEvent(name, settings.nowNs), 0, settings)
      return text
    } catch (error) {
      c.log.error(`the template cannot be used: ${messageOf(error)}`)
      return undefined
    }
  })
}
