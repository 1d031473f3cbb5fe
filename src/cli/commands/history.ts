import { CommandError } from '#cli/exit.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { JsonList } from '#cli/print/json.ts'
import { versionJson, versionLine } from '#cli/print/version-rows.ts'

/** "history": all versions of one path. Not a command of Kopia. */
export const history = defineCommand({
  args: [{ name: 'path', type: 'string', required: true }],
  flags: jsonFlags,
  async run(c, values) {
    const [{ pathHistory }, { formatSource, parseSource }] = await Promise.all([
      import('#snapshot/search/history.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    const repository = await c.open()
    const at = parseSource(values.path, { user: repository.client.username, host: repository.client.hostname })
    if (at.path === '') throw new CommandError(`${values.path} names no path`)
    const { versions, snapshots, without } = await pathHistory(repository, at)
    if (values.json) {
      const list = new JsonList(c.io, values['json-indent'])
      for (const version of versions) list.add(versionJson(version, true))
      list.end()
      return
    }
    if (snapshots.length === 0) throw new CommandError(`no snapshots of ${formatSource(at)} or of a folder above it`)
    if (versions.length === 0) throw new CommandError(`${formatSource(at)} is in none of ${snapshots.length} snapshots`)
    c.io.out(formatSource(at))
    const [gone] = without
    if (gone) c.io.out(`  not there any more since ${c.times.seconds(gone.startNs)}`)
    for (const version of versions) c.io.out(versionLine(c, version))
  },
})
