import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'

export const pin = defineCommand({
  args: [{ name: 'id', type: 'string', repeated: true, required: true }],
  flags: [
    { name: 'add', type: 'string', repeated: true },
    { name: 'remove', type: 'string', repeated: true },
  ],
  async run(c, values) {
    if (values.add.length + values.remove.length === 0) throw new CommandError('must specify --add and/or --remove')
    const [{ findSnapshotsById, updateSnapshot }, { formatSource }] = await Promise.all([
      import('#snapshot/model/snapshots.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    await c.write(async (repository) => {
      for (const id of values.id) {
        const found = await findSnapshotsById(repository, id)
        if (found.length === 0) throw new CommandError(`no snapshots matched ${id}`)
        for (const snapshot of found) {
          const where = `snapshot at ${c.times.seconds(snapshot.startNs)} of ${formatSource(snapshot.source)}`
          const before = new Set(snapshot.pins)
          const pins = new Set([...before, ...values.add].filter((p) => !values.remove.includes(p)))
          if (pins.size === before.size && [...pins].every((p) => before.has(p))) {
            c.log.info(`No change for ${where}`)
            continue
          }
          c.log.info(`Updating ${where}`)
          await updateSnapshot(repository, { ...snapshot, pins: [...pins] })
        }
      }
    })
  },
})
