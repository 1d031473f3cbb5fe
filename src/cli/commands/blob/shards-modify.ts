import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'

export const shardsModify = defineCommand({
  flags: [
    { name: 'i-am-sure-kopia-is-not-running', type: 'bool', required: true, describe: 'Nobody uses the storage at the moment' },
    { name: 'path', type: 'existingDir', required: true, describe: 'Folder of the storage' },
    { name: 'default-shards', type: 'string', describe: 'Lengths of folder names such as 1,3, or flat' },
    { name: 'override', type: 'string', repeated: true, describe: 'prefix=lengths for blobs that begin so' },
    { name: 'remove-override', type: 'string', repeated: true, describe: 'Prefix that follows the default again' },
    { name: 'unsharded-length', type: 'int', describe: 'Blobs with names no longer than this lie in the root' },
    { name: 'dry-run', type: 'bool' },
  ],
  async run(c, values) {
    const { parseShardText, reshard } = await import('#repo/blob/reshard.ts')
    if (!values['i-am-sure-kopia-is-not-running']) throw new CommandError('this needs --i-am-sure-kopia-is-not-running')
    const length = values['unsharded-length']
    const count = await reshard({
      path: values.path,
      dryRun: values['dry-run'],
      default: values['default-shards'] === undefined ? undefined : parseShardText(values['default-shards']),
      maxNonShardedLength: length === undefined || length < 0 ? undefined : length,
      overrides: values.override.map((text) => {
        const at = text.indexOf('=')
        if (at < 1) throw new CommandError(`invalid override "${text}": expected prefix=lengths`)
        return { prefix: text.slice(0, at), shards: parseShardText(text.slice(at + 1)) }
      }),
      removedPrefixes: values['remove-override'],
      onMove: (from, to) => c.io.out(`mv ${from} ${to}`),
      onRemove: (folder) => c.io.out(`rmdir ${folder}`),
    })
    if (values['dry-run']) c.log.info(`Would move ${count} files.`)
  },
})
