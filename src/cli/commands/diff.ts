import { messageOf } from '#base/errors.ts'
import { goJson, type JsonValue } from '#base/go-json.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { diffLine } from '#cli/print/diff-lines.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'

export const diff = defineCommand({
  args: [
    { name: 'object-path1', type: 'string', required: true },
    { name: 'object-path2', type: 'string', required: true },
  ],
  flags: [
    { name: 'files', short: 'f', type: 'bool' },
    { name: 'stats-only', type: 'bool' },
    { name: 'diff-command', type: 'string', default: process.platform === 'win32' ? 'cmp' : 'diff -u', env: 'KOPIA_DIFF' },
  ],
  async run(c, values) {
    const repository = await c.open()
    const before = await entryOf(repository, values['object-path1'])
    const after = await entryOf(repository, values['object-path2'])
    const { diffTrees } = await import('#snapshot/diff.ts')
    const files = values.files ? await (await import('./diff-files.ts')).openFileDiff(c, repository, values['diff-command']) : undefined
    try {
      const statistics = await diffTrees(repository, before, after, async (event) => {
        if (values['stats-only']) return
        c.io.out(diffLine(event, c.times))
        await c.io.drained()
        await files?.show(event)
      })
      c.io.write(goJson(statistics as unknown as JsonValue))
    } finally {
      files?.close()
    }
  },
})

async function entryOf(repository: Repository, text: string): Promise<DirectoryEntry> {
  const [{ resolveTree }, { presented }] = await Promise.all([
    import('#snapshot/model/object-path.ts'),
    import('#snapshot/tree/repository-tree.ts'),
  ])
  try {
    const { entry, path } = await resolveTree(repository, text)
    return path === '' ? entry : presented(entry)
  } catch (error) {
    throw new CommandError(`error getting filesystem entry for ${text}: ${messageOf(error)}`, { cause: error })
  }
}
