import { defineCommand } from '#cli/flag.ts'

export const expire = defineCommand({
  args: [{ name: 'path', type: 'string', repeated: true }],
  flags: [
    { name: 'all', type: 'bool' },
    { name: 'delete', type: 'bool' },
  ],
  async run(c, values) {
    const [{ expireSnapshots, planExpiry }, { listSources }, { compareSources, formatSource, parseSource }] = await Promise.all([
      import('#snapshot/expire.ts'),
      import('#snapshot/model/snapshots.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    await c.write(async (repository) => {
      const defaults = { user: repository.client.username, host: repository.client.hostname }
      const sources = values.all ? await listSources(repository) : values.path.map((p) => parseSource(p, defaults))
      for (const source of sources.toSorted(compareSources)) {
        const expired = await (values.delete ? expireSnapshots : planExpiry)(repository, source)
        const name = formatSource(source)
        if (expired.length === 0) c.log.info(`Nothing to delete for ${name}.`)
        else if (values.delete) c.log.info(`Deleted ${expired.length} snapshots of ${name}.`)
        else c.log.info(`${expired.length} snapshot(s) of ${name} would be deleted. Pass --delete to do it.`)
      }
    })
  },
})
