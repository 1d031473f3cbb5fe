import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'

export const remove = defineCommand({
  args: [{ name: 'id', type: 'string', repeated: true, required: true }],
  flags: [
    { name: 'all-snapshots-for-source', type: 'bool' },
    { name: 'delete', type: 'bool' },
    { name: 'unsafe-ignore-source', type: 'bool', hidden: true },
  ],
  async run(c, values) {
    const [{ deleteSnapshot }, { formatSource }] = await Promise.all([
      import('#snapshot/model/snapshots.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    const isReal = values.delete || values['unsafe-ignore-source']
    await c.write(async (repository) => {
      for (const text of values.id) {
        const found = values['all-snapshots-for-source'] ? await ofSource(repository, text) : await byId(repository, text)
        for (const { id, source, startNs } of found) {
          const what = `snapshot ${id} of ${formatSource(source)} at ${c.times.seconds(startNs)}`
          if (!isReal) c.log.info(`Would delete ${what} (pass --delete to confirm)`)
          else {
            c.log.info(`Deleting ${what}...`)
            await deleteSnapshot(repository, id)
          }
        }
      }
    })
  },
})

async function ofSource(repository: Repository, text: string): Promise<Snapshot[]> {
  const [{ listSnapshots }, { formatSource, parseSource, sameSource }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  const source = parseSource(text, { user: repository.client.username, host: repository.client.hostname })
  const found = (await listSnapshots(repository, { source })).filter((s) => sameSource(s.source, source))
  if (found.length === 0) throw new CommandError(`no snapshots found for source ${formatSource(source)}`)
  return found
}

async function byId(repository: Repository, id: string): Promise<Snapshot[]> {
  const { findSnapshotsById } = await import('#snapshot/model/snapshots.ts')
  const found = await findSnapshotsById(repository, id)
  if (found.length === 0) throw new CommandError(`error deleting snapshots by root ID ${id}: no snapshots matched ${id}`)
  return found
}
