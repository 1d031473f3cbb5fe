import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { fixFlags, runFix } from './run.ts'

export const removeFiles = defineCommand({
  flags: [
    ...fixFlags,
    { name: 'object-id', type: 'string', repeated: true, describe: 'Remove entries with these object IDs' },
    { name: 'filename', type: 'string', repeated: true, describe: 'Remove entries of these names (*, ?, [a-z])' },
  ],
  async run(c, values) {
    const { compileNamePattern } = await import('#snapshot/fix/name-pattern.ts')
    if (values['object-id'].length + values.filename.length === 0)
      throw new CommandError('must specify files to remove: --object-id or --filename')
    const ids = new Set(values['object-id'])
    const patterns = values.filename.map(compileNamePattern)
    await runFix(c, await c.open(), values, (entry, path) => {
      if (!ids.has(entry.objectId) && !patterns.some((matches) => matches(entry.name))) return entry
      c.log.info(`will remove ${path}`)
      return undefined
    })
  },
})
