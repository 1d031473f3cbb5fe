import { defineCommand } from '#cli/flag.ts'
import type { ObjectId } from '#repo/object/object.ts'

export const prefetch = defineCommand({
  args: [{ name: 'object', type: 'string', repeated: true, required: true }],
  flags: [{ name: 'hint', type: 'string', describe: 'none, contents or blobs: what is fetched' }],
  async run(c, values) {
    const { resolveTree } = await import('#snapshot/model/object-path.ts')
    const repository = await c.openDirect()
    const ids = new Set<Awaited<ReturnType<typeof repository.objects.contentsOf>>[number]>()
    for (const text of values.object) {
      const { entry } = await resolveTree(repository, text, { consistent: false })
      for (const id of await repository.objects.contentsOf(entry.objectId as ObjectId)) ids.add(id)
    }
    const known = await repository.contents.prefetch([...ids], values.hint ?? '')
    c.log.info(`prefetched ${known.length} contents`)
  },
})
