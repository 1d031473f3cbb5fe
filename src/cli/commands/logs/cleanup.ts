import { defineCommand } from '#cli/flag.ts'

export const cleanup = defineCommand({
  flags: [
    { name: 'max-age', type: 'duration', default: '720h', describe: 'Delete logs older than this' },
    { name: 'max-count', type: 'int', default: '10000', describe: 'Keep no more logs than this' },
    { name: 'max-total-size-mb', type: 'int64', default: '1024', describe: 'Keep no more than this in all' },
    { name: 'dry-run', type: 'bool' },
  ],
  async run(c, values) {
    const { logPrefix, planLogCleanup } = await import('#repo/maintenance/stored-logs.ts')
    const { blobs: storage, clock } = await c.openDirect()
    const found = []
    for await (const blob of storage.list(logPrefix)) found.push(blob)
    const limits = { maxAgeNs: values['max-age'], maxCount: values['max-count'], maxTotalBytes: values['max-total-size-mb'] * 2 ** 20 }
    const { toDelete } = planLogCleanup(found, limits, clock.nowMs())
    if (toDelete.length === 0) return c.log.info('No logs found to delete.')
    if (values['dry-run']) return c.log.info(`Would delete ${toDelete.length} logs.`)
    for (const { id } of toDelete) await storage.delete(id)
    c.log.info(`Deleted ${toDelete.length} logs.`)
  },
})
