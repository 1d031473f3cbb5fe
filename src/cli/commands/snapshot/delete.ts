import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
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
    const repository = await c.open()
    const chosen: Snapshot[] = []
    for (const text of values.id)
      chosen.push(...(values['all-snapshots-for-source'] ? await ofSource(repository, text) : await byId(repository, text)))
    await reportSpace(c, repository, chosen)
    await removeAll(c, repository, chosen, values.delete || values['unsafe-ignore-source'])
  },
})

async function removeAll(c: CommandContext, repository: Repository, chosen: readonly Snapshot[], isReal: boolean): Promise<void> {
  const [{ deleteSnapshot }, { formatSource }, { isDirect }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/model/source-text.ts'),
    import('#repo/repository/repository.ts'),
  ])
  for (const { id, source, startNs } of chosen) {
    const what = `snapshot ${id} of ${formatSource(source)} at ${c.times.seconds(startNs)}`
    if (!isReal) c.log.info(`Would delete ${what} (pass --delete to confirm)`)
    else {
      c.log.info(`Deleting ${what}...`)
      await deleteSnapshot(repository, id)
    }
  }
  if (!isReal || !isDirect(repository)) return repository.flush()
  const { withRoom } = await import('#cli/maintain.ts')
  await withRoom(c, repository, { safetyName: 'full', doomed: chosen, isAlone: false }, () => repository.flush())
}

/** Says what these snapshots hold that no other needs, and when it comes back. Trees that cannot be read say nothing: that must not keep
 *  anybody from deleting them. */
async function reportSpace(c: CommandContext, repository: Repository, chosen: readonly Snapshot[]): Promise<void> {
  const [{ isDirect }, { spaceHeldBy }] = await Promise.all([import('#repo/repository/repository.ts'), import('#snapshot/gc/space.ts')])
  if (!isDirect(repository)) return
  try {
    const held = await spaceHeldBy(repository, chosen)
    if (!held) return
    c.log.info(
      `${c.sizes.bytes(held.aloneBytes)} in ${held.aloneCount} contents are needed by nothing else, ${c.sizes.bytes(held.sharedBytes)} by other snapshots too. Full maintenance brings space back: after two cycles more than 4 hours apart, for data older than a day.`,
    )
  } catch (error) {
    c.log.warning(`How much space will come back is not known: ${messageOf(error)}`)
  }
}

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
