import { SilentFailure } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'

export const expire = defineCommand({
  args: [{ name: 'path', type: 'string', repeated: true }],
  flags: [
    { name: 'all', type: 'bool' },
    { name: 'delete', type: 'bool' },
    { name: 'yes', type: 'bool', describe: 'Delete even more than half of the snapshots of a source' },
  ],
  async run(c, values) {
    const [{ expireSnapshots, explainRetention }, { listSources }, { compareSources, formatSource, parseSource }] = await Promise.all([
      import('#snapshot/expire.ts'),
      import('#snapshot/model/snapshots.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    let refused = 0
    await c.write(async (repository) => {
      const defaults = { user: repository.client.username, host: repository.client.hostname }
      const sources = values.all ? await listSources(repository) : values.path.map((p) => parseSource(p, defaults))
      for (const source of sources.toSorted(compareSources)) {
        const name = formatSource(source)
        const all = await explainRetention(repository, source)
        const expired = all.filter((r) => r.isExpired)
        if (expired.length === 0) {
          c.log.info(`Nothing to delete for ${name}.`)
          continue
        }
        for (const { snapshot, reasons, isExpired } of all) {
          const why = isExpired ? 'goes: no rule keeps it' : `stays: ${[...reasons, ...snapshot.pins.map((p) => `pin ${p}`)].join(', ')}`
          c.log.info(`  ${c.times.seconds(snapshot.startNs)} ${snapshot.id} ${why}`)
        }
        if (!values.delete) c.log.info(`${expired.length} snapshot(s) of ${name} would be deleted. Pass --delete to do it.`)
        else if (expired.length * 2 > all.length && !values.yes) {
          c.log.error(`${expired.length} of ${all.length} snapshots of ${name} would be deleted, more than half. Pass --yes to do it.`)
          refused++
        } else {
          await expireSnapshots(repository, source)
          c.log.info(`Deleted ${expired.length} snapshots of ${name}.`)
        }
      }
    })
    if (refused > 0) throw new SilentFailure()
  },
})
