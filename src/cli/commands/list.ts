import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { modeText } from '#cli/print/mode.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry, DirectorySummary } from '#snapshot/model/directory-entry.ts'

interface Listing {
  readonly c: CommandContext
  readonly repository: Repository
  readonly long: boolean
  readonly human: boolean
  readonly recursive: boolean
  readonly showObjectId: boolean
  readonly errorSummary: boolean
}

export const list = defineCommand({
  args: [{ name: 'object-path', type: 'string', required: true }],
  flags: [
    { name: 'long', short: 'l', type: 'bool' },
    { name: 'human-readable', short: 'h', type: 'bool' },
    { name: 'recursive', short: 'r', type: 'bool' },
    { name: 'show-object-id', short: 'o', type: 'bool' },
    { name: 'error-summary', type: 'bool', default: 'true' },
  ],
  async run(c, values) {
    const repository = await c.open()
    const { resolveTree } = await import('#snapshot/model/object-path.ts')
    const given = values['object-path']
    const { entry } = await resolveTree(repository, given).catch((error: unknown) => {
      throw new CommandError(`unable to get filesystem directory entry: ${messageOf(error)}`, { cause: error })
    })
    if (entry.type !== 'd' || entry.objectId === '')
      throw new CommandError(`unable to get filesystem directory entry: ${given} is not a directory object`)
    const listing: Listing = {
      c,
      repository,
      long: values.long,
      human: values['human-readable'],
      recursive: values.recursive,
      showObjectId: values['show-object-id'],
      errorSummary: values['error-summary'],
    }
    const prefix = values.recursive && !values.long ? (given.endsWith('/') ? given : `${given}/`) : ''
    await listDirectory(listing, entry.objectId, prefix)
  },
})

/** Prints a directory, each sub-directory before its children (spec 06, 9.1). A stack, since trees may be very deep. */
async function listDirectory(listing: Listing, root: ObjectId, rootPrefix: string): Promise<void> {
  const { readDirectory } = await import('#snapshot/tree/repository-tree.ts')
  const open = [await enter(root, rootPrefix)]
  for (let level = open.at(-1); level; level = open.at(-1)) {
    const entry = level.entries[level.next++]
    if (!entry) {
      if (listing.errorSummary && level.summary) reportFailures(listing.c, level.summary)
      open.pop()
      continue
    }
    listing.c.io.out(entryLine(listing, level.prefix, entry))
    await listing.c.io.drained()
    if (listing.recursive && entry.type === 'd' && entry.objectId !== '')
      open.push(await enter(entry.objectId, `${level.prefix}${entry.name}/`))
  }

  async function enter(id: ObjectId, prefix: string) {
    const { entries, summary } = await readDirectory(listing.repository, id)
    return { entries, summary, prefix, next: 0 }
  }
}

function entryLine(listing: Listing, prefix: string, entry: DirectoryEntry): string {
  const { c } = listing
  const slash = entry.type === 'd' && (listing.long || listing.recursive) ? '/' : ''
  const failed = listing.errorSummary ? (entry.summary?.fatalErrorCount ?? 0) : 0
  const name = `${prefix}${entry.name}${slash}${failed > 0 ? ` (${failed} errors)` : ''}`
  const id = entry.objectId.padEnd(34)
  let line = name
  if (listing.long) {
    const size = (listing.human ? c.sizes.bytes(entry.sizeBytes) : String(entry.sizeBytes)).padStart(12)
    line = `${modeText(entry.type, entry.mode)} ${size} ${c.times.seconds(entry.modifiedNs)} ${id} ${name}`
  } else if (listing.showObjectId) line = `${id} ${name}`
  return failed > 0 ? c.paint.error(line) : line
}

function reportFailures(c: CommandContext, summary: DirectorySummary): void {
  if (summary.fatalErrorCount === 0) return
  c.io.err(`${c.paint.note(`\nNOTE: Encountered ${summary.fatalErrorCount} errors while snapshotting this directory:\n`)}\n`)
  for (const { path, error } of summary.errors) c.io.err(`- Error in "${path}": ${error}\n`)
}
