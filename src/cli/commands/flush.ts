import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { askForFlush, failedOutcomes } from '#cli/print/flush-outcome.ts'

export const flush = defineCommand({
  args: [{ name: 'mountPoint', type: 'string' }],
  async run(c, values) {
    const { mountPointPath } = await import('#mount/dead-mount.ts')
    const { writableMounts } = await import('#mount/backup/door-client.ts')
    const all = values.mountPoint === undefined ? writableMounts() : [values.mountPoint]
    if (all.length === 0) throw new CommandError('nothing is mounted writable by this user; mount with "kura mount all DIR" first')
    let hasFailed = false
    for (const path of all) {
      const outcomes = await askForFlush(c, await mountPointPath(path), { do: 'flush' })
      // A mount that was killed leaves its name behind.
      if (outcomes === undefined && values.mountPoint === undefined) continue
      if (outcomes === undefined) throw new CommandError(`no writable mount of this user is at ${path}`)
      hasFailed ||= failedOutcomes(outcomes) > 0
    }
    if (hasFailed) throw new CommandError('not everything could be flushed; nothing is lost, and the mount tries again')
  },
})
