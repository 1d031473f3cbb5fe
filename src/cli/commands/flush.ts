import { CommandError } from '#cli/exit.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { askForFlush, failedOutcomes } from '#cli/print/flush-outcome.ts'
import { printJson } from '#cli/print/json.ts'
import type { DoorOutcome } from '#mount/backup/doorway.ts'

export const flush = defineCommand({
  args: [{ name: 'mountPoint', type: 'string' }],
  flags: jsonFlags,
  async run(c, values) {
    const { mountPointPath } = await import('#mount/dead-mount.ts')
    const { writableMounts } = await import('#mount/backup/door-client.ts')
    const all = values.mountPoint === undefined ? writableMounts() : [values.mountPoint]
    if (all.length === 0) throw new CommandError('nothing is mounted writable by this user; mount with "kura mount all DIR" first')
    const done: DoorOutcome[] = []
    for (const path of all) {
      const outcomes = await askForFlush(c, await mountPointPath(path), { do: 'flush' })
      // A mount that was killed leaves its name behind.
      if (outcomes === undefined && values.mountPoint === undefined) continue
      if (outcomes === undefined) throw new CommandError(`no writable mount of this user is at ${path}`)
      done.push(...outcomes)
    }
    if (values.json) printJson(c.io, { flushes: done.map((outcome) => ({ ...outcome })) }, values['json-indent'])
    else for (const { snapshotId } of done) if (snapshotId !== '') c.io.out(snapshotId)
    if (failedOutcomes(done) > 0) throw new CommandError('not everything could be flushed; nothing is lost, and the mount tries again')
  },
})
