import { messageOf } from '#base/errors.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'

const readBytes = 1 << 20

export const show = defineCommand({
  args: [{ name: 'object-path', type: 'string', required: true }],
  async run(c, values) {
    const repository = await c.open()
    const id = await objectOf(repository, values['object-path'])
    const reader = await repository.objects.open(id).catch((error: unknown) => {
      throw new CommandError(`error opening object ${id}: ${messageOf(error)}`, { cause: error })
    })
    try {
      for (let offset = 0; offset < reader.sizeBytes; ) {
        // A buffer of its own for every piece: the stream may keep it until it is written.
        const buffer = Buffer.allocUnsafe(Math.min(readBytes, reader.sizeBytes - offset))
        const count = await reader.read(buffer, offset)
        if (count === 0) throw new CommandError(`object ${id} ends at byte ${offset} instead of ${reader.sizeBytes}`)
        c.io.write(buffer.subarray(0, count))
        await c.io.drained()
        offset += count
      }
    } finally {
      reader.close()
    }
  },
})

/** The object of `‹id›[/‹path›]`. Kopia takes object IDs only; in front of a path the ID of a snapshot is welcome too, as everywhere
 *  else. Alone it is not: scripts may rely on the refusal (spec 06, 6.2). */
async function objectOf(repository: Repository, text: string): Promise<ObjectId> {
  const { descend, detectEntry, parseObjectId, snapshotRoot } = await import('#snapshot/model/object-path.ts')
  const [first = '', ...rest] = text.split('/')
  const names = rest.filter((n) => n !== '')
  const root = parseObjectId(first)
  if (root === undefined) throw new CommandError(`unable to parse ID: "${first}" is neither a snapshot ID nor an object ID`)
  if (names.length === 0) return root
  const top = (await snapshotRoot(repository, first))?.entry ?? (await detectEntry(repository, root))
  const { objectId } = await descend(repository, top, names, text).catch((error: unknown) => {
    throw new CommandError(`unable to parse ID: ${messageOf(error)}`, { cause: error })
  })
  if (objectId === '') throw new CommandError(`${text} has no object`)
  return objectId
}
