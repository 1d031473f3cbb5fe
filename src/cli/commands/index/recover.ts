import { messageOf } from '#base/errors.ts'
import { requireDangerous } from '#cli/dangerous.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'

/** Indexes of the old scheme: what --delete-indexes is about (spec 06, 14.3). */
const oldIndexPrefix = 'n'

export const recover = defineCommand({
  args: [],
  flags: [
    { name: 'blob-prefixes', type: 'string', repeated: true },
    { name: 'blobs', type: 'string', repeated: true },
    { name: 'parallel', type: 'int', default: '1' },
    { name: 'ignore-errors', type: 'bool' },
    { name: 'delete-indexes', type: 'bool' },
    { name: 'commit', type: 'bool' },
  ],
  async run(c, values) {
    const repository = await c.openDirect()
    requireDangerous(c)
    const { recoverIndexes } = await import('#repo/content/recover-indexes.ts')
    const { contents, blobs: storage, cipher } = repository
    if (!contents.adopt) throw new CommandError('this connection cannot change indexes')
    if (values['delete-indexes'])
      for await (const { id } of storage.list(oldIndexPrefix)) {
        c.log.info(values.commit ? `deleting index blob ${id}` : `would delete index blob ${id}`)
        if (values.commit) await storage.delete(id)
      }
    let newCount = 0
    const adopt = contents.adopt.bind(contents)
    const { packCount, recordCount } = await recoverIndexes({
      storage,
      cipher,
      packs: values.blobs,
      prefixes: values['blob-prefixes'].length > 0 ? values['blob-prefixes'] : ['p', 'q'],
      parallel: values.parallel,
      adopt: (records) => {
        newCount += adopt(records)
      },
      onDamaged: (pack, error) => {
        if (!values['ignore-errors']) throw error
        c.log.warning(`no index recovered from pack ${pack}: ${messageOf(error)}`)
      },
    })
    if (!values.commit) {
      c.log.info(
        `Found ${recordCount} contents in ${packCount} packs, ${newCount} of them not in any index. Run again with --commit to keep them.`,
      )
      return
    }
    await repository.flush()
    c.log.info(`Recovered ${newCount} contents from ${packCount} packs, which hold ${recordCount}.`)
  },
})
