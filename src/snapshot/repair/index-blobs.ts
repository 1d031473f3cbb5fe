import { messageOf } from '#base/errors.ts'
import { recoverIndexes } from '#repo/content/recover-indexes.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { type Finding, keepCopy } from './finding.ts'

const packsAtOnce = 8
const packPrefixes = ['p', 'q']

/** Index blobs that cannot be read, or are all gone. What they said is in the packs too: each pack ends with an index of its own
 *  (spec 02, 7.4). Throws the storage's errors. */
export async function lookAtIndexBlobs(repository: DirectRepository, copies: string): Promise<Finding[]> {
  const damaged = damagedBlobs(repository, copies)
  return damaged.length === 0 && (await hasLostAllIndexes(repository)) ? [lostIndexes(repository)] : damaged
}

async function hasLostAllIndexes({ contents, blobs }: DirectRepository): Promise<boolean> {
  if (contents.upkeep?.committed.packNames().size !== 0) return false
  for (const prefix of packPrefixes) for await (const _ of blobs.list(prefix)) return true
  return false
}

const lostIndexes = (repository: DirectRepository): Finding => ({
  kind: 'index',
  subject: 'all indexes',
  problem: 'there are packs and no index names any of them: no snapshot is found',
  remedy: 'read what the packs say of their contents into a new index',
  mend: () => recoverFromPacks(repository),
})

function damagedBlobs(repository: DirectRepository, copies: string): Finding[] {
  return [...(repository.contents.damagedIndexes ?? [])].map(([blob, reason]) => ({
    kind: 'index',
    subject: blob,
    problem: `the index blob cannot be read (${reason}): contents that only it names are not found, and maintenance refuses to run`,
    remedy: 'read what the packs say of their contents into a new index, then remove this one (a copy is kept)',
    mend: async () => {
      const text = await recoverFromPacks(repository)
      // Another blob's mending may have read everything anew already.
      const copy = await keepCopy(repository.blobs, blob, copies)
      await repository.blobs.delete(blob)
      await repository.contents.refresh()
      return `${text}; the damaged blob was removed, a copy is ${copy}`
    },
  }))
}

/** Takes over every content that packs name and no index does, and writes the index. Throws the storage's errors. */
async function recoverFromPacks(repository: DirectRepository): Promise<string> {
  const { contents, blobs: storage, cipher } = repository
  if (!contents.adopt) throw new Error('the contents of a direct repository can be adopted')
  const adopt = contents.adopt.bind(contents)
  let newCount = 0
  const unreadable: string[] = []
  const { packCount } = await recoverIndexes({
    storage,
    cipher,
    packs: [],
    prefixes: packPrefixes,
    parallel: packsAtOnce,
    adopt: (records) => {
      newCount += adopt(records)
    },
    onDamaged: (pack, error) => unreadable.push(`${pack} (${messageOf(error)})`),
  })
  await repository.flush()
  const rest = unreadable.length === 0 ? '' : `; nothing could be had from ${unreadable.length} packs, ${unreadable[0]} among them`
  return `${newCount} contents of ${packCount} packs were put into a new index${rest}`
}
