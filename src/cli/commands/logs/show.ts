import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { selectionFlags, selectLogs } from './selection.ts'

export const show = defineCommand({
  args: [{ name: 'session-id', type: 'string', repeated: true }],
  flags: selectionFlags,
  async run(c, values) {
    const { listLogs, readLog } = await import('#repo/maintenance/stored-logs.ts')
    const repository = await c.openDirect()
    const ids = values['session-id']
    const all = selectLogs(await listLogs(repository.blobs), values, repository.clock.nowNs())
    let logs = ids.length === 0 ? all : all.filter((log) => ids.includes(log.id))
    if (logs.length === 0) throw new CommandError('no logs found')
    const isFiltered = values.all || [values.latest, values['younger-than'], values['older-than']].some((v) => v !== undefined)
    if (!isFiltered) {
      logs = logs.slice(-1)
      c.log.info(`Showing latest log (${c.times.seconds(BigInt(logs[0]?.startSeconds ?? 0) * 1_000_000_000n)})`)
    }
    for (const { segments } of logs)
      for (const { id } of segments) {
        c.io.write(await readLog(repository.blobs, repository.cipher, id))
        await c.io.drained()
      }
  },
})
