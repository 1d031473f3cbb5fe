import { messageOf } from '#base/errors.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { JsonList } from '#cli/print/json.ts'
import { versionJson, versionLine } from '#cli/print/version-rows.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'

/** "find": names in all snapshots. Not a command of Kopia. */
export const find = defineCommand({
  args: [{ name: 'name', type: 'string', required: true }],
  flags: [
    { name: 'source', type: 'string', repeated: true, describe: 'Only in the snapshots of these sources' },
    { name: 'ignore-case', short: 'i', type: 'bool', describe: 'Take capital and small letters as equal' },
    { name: 'type', type: 'enum', values: ['any', 'f', 'd', 's'], default: 'any', describe: 'Only files, folders (d) or links (s)' },
    { name: 'incomplete', type: 'bool', default: 'true', describe: 'Look into incomplete snapshots, too' },
    ...jsonFlags,
  ],
  async run(c, values) {
    const [{ compileNamePattern }, { findEntries }, { formatSource }] = await Promise.all([
      import('#snapshot/fix/name-pattern.ts'),
      import('#snapshot/search/find.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    if (values.name.includes('/')) throw new CommandError(`${values.name} is a path; "kura history" shows the versions of one path`)
    const fold = (text: string) => (values['ignore-case'] ? text.toLowerCase() : text)
    const matchesName = compileNamePattern(fold(values.name))
    const matches = ({ name, type }: DirectoryEntry) => (values.type === 'any' || type === values.type) && matchesName(fold(name))
    const repository = await c.open()
    const all = await snapshotsOf(repository, values.source)
    let unreadable = 0
    const found = await findEntries(repository, {
      snapshots: values.incomplete ? all : all.filter((s) => !s.incomplete),
      matches,
      signal: c.stop,
      onUnreadable: (id, error) => {
        unreadable++
        c.log.error(`the directory ${id} cannot be read: ${messageOf(error)}`)
      },
    })
    if (values.json) {
      const list = new JsonList(c.io, values['json-indent'])
      for (const { source, path, versions } of found) {
        list.add({
          source: { host: source.host, userName: source.user, path: source.path },
          path,
          versions: versions.map((v) => versionJson(v, false)),
        })
        await c.io.drained()
      }
      list.end()
    } else {
      for (const { source, path, versions } of found) {
        c.io.out(`${formatSource(source)}${path === '' || source.path.endsWith('/') ? '' : '/'}${path}`)
        for (const version of versions) c.io.out(versionLine(c, version))
        await c.io.drained()
      }
    }
    if (unreadable > 0) throw new CommandError(`${unreadable} directories could not be read: there may be more to find`)
    if (found.length === 0 && !values.json) c.log.info(`Nothing of that name in ${all.length} snapshots.`)
  },
})

async function snapshotsOf(repository: Repository, sources: readonly string[]): Promise<Snapshot[]> {
  const [{ listSnapshots }, { parseSource }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  const onDamaged = () => undefined
  if (sources.length === 0) return listSnapshots(repository, { onDamaged })
  const { username: user, hostname: host } = repository.client
  const found = new Map<string, Snapshot>()
  for (const text of sources) {
    const snapshots = await listSnapshots(repository, { source: parseSource(text, { user, host }), onDamaged })
    if (snapshots.length === 0) throw new CommandError(`no snapshots of ${text}`)
    for (const s of snapshots) found.set(s.id, s)
  }
  return [...found.values()]
}
