import { requireDangerous } from '#cli/dangerous.ts'
import type { Command, Flag, ValuesOf } from '#cli/flag.ts'
import { storageOf } from './connect.ts'
import type { StorageProvider } from './storages/provider.ts'

export const repairFlags = [
  {
    name: 'recover-format',
    type: 'enum',
    values: ['auto', 'yes', 'no'],
    default: 'auto',
    describe: 'Put the format blob back from a copy: auto = if it is missing',
  },
  { name: 'recover-format-block-prefixes', type: 'string', repeated: true, describe: 'Look only into blobs that begin so' },
  { name: 'dry-run', short: 'n', type: 'bool' },
] as const satisfies readonly Flag[]

/** "repository repair" for one kind of storage. */
export const repairCommand = (provider: StorageProvider): Command => ({
  args: [],
  flags: [...provider.flags, ...repairFlags],
  run: async (c, given) => {
    const values = given as ValuesOf<(typeof repairFlags)[number]>
    const connection = await provider.connectionFrom(given, { use: 'repair', context: c, formatVersion: 0 })
    const storage = await storageOf(connection, false)
    try {
      requireDangerous(c)
      const { recoverFormat } = await import('#repo/repository/recover-format.ts')
      const outcome = await recoverFormat(storage, {
        mode: values['recover-format'] as 'auto' | 'yes' | 'no',
        prefixes: values['recover-format-block-prefixes'],
        dryRun: values['dry-run'],
        say: (line) => c.log.info(line),
      })
      c.log.info(said[outcome])
    } finally {
      await storage.close()
    }
  },
})

const said = {
  'not wanted': 'the format blob is left alone',
  'not needed': 'the format blob is there: nothing to do',
  found: 'nothing is written: this is a dry run',
  written: 'the format blob was written. Connect to the repository to see that it opens.',
} as const
