import { requireDangerous } from '#cli/dangerous.ts'
import { defineCommand } from '#cli/flag.ts'

export const gc = defineCommand({
  flags: [
    { name: 'delete', type: 'string', describe: 'yes: delete, anything else only tells' },
    { name: 'parallel', type: 'int', default: '16' },
    { name: 'prefix', type: 'string', describe: 'Only blobs whose names begin so' },
    { name: 'safety', type: 'enum', values: ['full', 'none'], default: 'full' },
  ],
  async run(c, values) {
    const repository = await c.openDirect()
    requireDangerous(c)
    const [{ deleteBlobs, findUnreferenced }, { safetyOf }, { amountOf }] = await Promise.all([
      import('#repo/maintenance/unreferenced.ts'),
      import('#repo/maintenance/safety.ts'),
      import('#repo/maintenance/statistics.ts'),
    ])
    const { deletable, retained } = await findUnreferenced(repository, {
      prefixes: values.prefix ? [values.prefix] : ['p', 'q', 's'],
      safety: safetyOf(values.safety),
      cutoffMs: repository.clock.nowMs() + 1000,
      listParallelism: 1,
    })
    const { count, bytes } = amountOf(deletable)
    c.log.info(
      `Found ${count} blobs that no index names (${c.sizes.bytes(bytes)}); ${retained.length} more are too young or of open sessions.`,
    )
    if (values.delete === 'yes') {
      await deleteBlobs(repository, deletable, values.parallel)
      c.log.info(`Deleted ${count} unreferenced blobs (${c.sizes.bytes(bytes)}).`)
    } else if (count > 0) c.log.info('Pass --delete=yes to delete them.')
  },
})
