import { messageOf } from '#base/errors.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { fixFlags, runFix } from './run.ts'

export const invalidFiles = defineCommand({
  flags: [
    ...fixFlags,
    {
      name: 'invalid-file-handling',
      type: 'enum',
      values: ['fail', 'stub', 'keep', 'remove'],
      default: 'stub',
      describe: 'What becomes of files that cannot be read',
    },
    { name: 'verify-files-percent', type: 'float', default: '0', describe: 'Share of files that are read in full' },
  ],
  async run(c, values) {
    const [{ blobLengths, ObjectChecker }, { writeStub }] = await Promise.all([
      import('#snapshot/verify/object-checker.ts'),
      import('#snapshot/fix/rewrite.ts'),
    ])
    const repository = await c.open()
    c.log.info('Listing blobs...')
    const blobs = await blobLengths(repository)
    c.log.info(`Listed ${blobs?.size ?? 0} blobs.`)
    const checker = new ObjectChecker(repository, blobs)
    const check = async ({ objectId, name }: DirectoryEntry) => {
      if (objectId === '') throw new CommandError(`"${name}" has no object`)
      await checker.check(objectId)
      if (Math.random() * 100 < values['verify-files-percent']) await checker.readAll(objectId)
    }
    await runFix(c, repository, values, async (entry, path) => {
      if (entry.type === 'd') return entry
      try {
        await check(entry)
        return entry
      } catch (error) {
        c.log.warning(`${path} is invalid: ${messageOf(error)}`)
        const handling = values['invalid-file-handling']
        if (handling === 'fail') throw new CommandError(`${path}: ${messageOf(error)}`, { cause: error })
        if (handling === 'remove') return undefined
        return handling === 'keep' ? entry : writeStub(repository, entry, error)
      }
    })
  },
})
