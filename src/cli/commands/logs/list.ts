import { defineCommand } from '#cli/flag.ts'
import { goDuration } from '#cli/print/duration.ts'
import { selectionFlags, selectLogs } from './selection.ts'

const ns = (seconds: number): bigint => BigInt(seconds) * 1_000_000_000n

export const list = defineCommand({
  flags: selectionFlags,
  async run(c, values) {
    const { listLogs } = await import('#repo/maintenance/stored-logs.ts')
    const repository = await c.openDirect()
    const logs = await listLogs(repository.blobs, (id) => c.log.error(`${id} is not the name of a stored log`))
    const selected = selectLogs(logs, values, repository.clock.nowNs())
    for (const { id, startSeconds, endSeconds, totalBytes, segments } of selected)
      c.io.out(
        `${id} ${c.times.seconds(ns(startSeconds))} ${goDuration(ns(endSeconds - startSeconds))} ${c.sizes.bytes(totalBytes)} ${segments.length}`,
      )
    if (selected.length < logs.length) c.log.info(`NOTE: Listed ${selected.length}/${logs.length} log sessions, pass --all to show all.`)
  },
})
