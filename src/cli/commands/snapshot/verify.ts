import { availableParallelism } from 'node:os'
import { messageOf } from '#base/errors.ts'
import type { JsonValue } from '#base/go-json.ts'
import { goJson } from '#base/go-json.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, type Flag, jsonFlags, type ValuesOf } from '#cli/flag.ts'
import { printJson } from '#cli/print/json.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { VerifyRoot, VerifyStats } from '#snapshot/verify/trees.ts'

const progressMs = 1000

const flags = [
  { name: 'max-errors', type: 'int', default: '0', describe: 'Stop after so many errors; negative: never' },
  { name: 'directory-id', type: 'string', repeated: true, describe: 'Verify these directories' },
  { name: 'file-id', type: 'string', repeated: true, describe: 'Verify these files' },
  { name: 'all-sources', type: 'bool', hidden: true },
  { name: 'sources', type: 'string', repeated: true, describe: 'Verify the snapshots of these sources' },
  { name: 'parallel', type: 'int', default: '8' },
  { name: 'file-queue-length', type: 'int', default: '20000', describe: 'Files that may wait' },
  { name: 'file-parallelism', type: 'int', describe: 'Files checked at once' },
  { name: 'verify-files-percent', type: 'float', default: '0', describe: 'Share of files that are read in full' },
  ...jsonFlags,
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof flags)[number]> & { readonly 'snapshot-ids': readonly string[] }

export const verify = defineCommand({
  args: [{ name: 'snapshot-ids', type: 'string', repeated: true }],
  flags,
  async run(c, values) {
    if (values['all-sources']) c.log.warning('--all-sources has no effect: all sources are verified unless some are named')
    const [{ blobLengths, ObjectChecker }, { verifyTrees }] = await Promise.all([
      import('#snapshot/verify/object-checker.ts'),
      import('#snapshot/verify/trees.ts'),
    ])
    const repository = await c.open()
    c.log.info('Listing blobs...')
    const blobs = await blobLengths(repository)
    c.log.info(`Listed ${blobs?.size ?? 0} blobs.`)
    const { roots, failure } = await rootsToVerify(c, repository, values)
    if (failure) c.log.error(`error processing tree walker enqueue: ${failure}`)
    const result = await verifyTrees(repository, new ObjectChecker(repository, blobs), roots, {
      readPercent: values['verify-files-percent'],
      fileParallelism: values['file-parallelism'] ?? availableParallelism(),
      queueLength: values['file-queue-length'],
      maxErrors: values['max-errors'],
      signal: c.stop,
      onError: (path, error) => c.log.error(`error processing ${path}: ${messageOf(error)}`),
      onProgress: progress(c, repository, values.json),
    })
    finish(c, result.stats, failure ? [failure] : result.errors.map(messageOf), result.errorCount + (failure ? 1 : 0), values)
    if (c.stop.aborted) throw new CommandError('the verification was interrupted before its end')
  },
})

function progress(c: CommandContext, repository: Repository, json: boolean): (stats: VerifyStats) => void {
  let lastMs = Number.NEGATIVE_INFINITY
  return (stats) => {
    const now = repository.clock.nowMs()
    if (now - lastMs < progressMs) return
    lastMs = now
    c.log.info(json ? goJson(statsJson(stats)) : `Processed ${statsText(c, stats)}`)
  }
}

const statsText = (c: CommandContext, s: VerifyStats): string =>
  `${s.processedObjectCount} objects (${c.sizes.bytes(s.processedBytes)}). Read ${s.readFileCount} files (${c.sizes.bytes(s.readBytes)}).`

const statsJson = (stats: VerifyStats): Record<string, JsonValue> => ({ ...stats })

function finish(c: CommandContext, stats: VerifyStats, texts: readonly string[], errorCount: number, values: Values): void {
  if (values.json) {
    const limit = Math.max(1, values['max-errors'])
    const errorStrings = texts.length > 0 ? { errorStrings: texts.slice(0, limit) } : {}
    printJson(c.io, { stats: statsJson(stats), errorCount, ...errorStrings }, values['json-indent'])
  } else c.log.info(`Finished processing ${statsText(c, stats)}`)
  if (errorCount === 1) throw new CommandError(texts[0] as string)
  if (errorCount > 1) throw new CommandError(`encountered ${errorCount} errors`)
}

interface Roots {
  readonly roots: VerifyRoot[]
  /** Why the targets cannot all be had; nothing is verified then. */
  readonly failure: string | undefined
}

async function rootsToVerify(c: CommandContext, repository: Repository, values: Values): Promise<Roots> {
  try {
    const snapshots = await snapshotsToVerify(c, repository, values)
    const { formatSource } = await import('#snapshot/model/source-text.ts')
    const roots: VerifyRoot[] = []
    for (const { source, startNs, rootEntry } of snapshots)
      if (rootEntry) roots.push({ path: `${formatSource(source)}@${c.times.seconds(startNs)}`, entry: rootEntry })
    for (const text of values['directory-id']) roots.push(await objectRoot(repository, text, 'd'))
    for (const text of values['file-id']) roots.push(await objectRoot(repository, text, 'f'))
    return { roots, failure: undefined }
  } catch (error) {
    return { roots: [], failure: messageOf(error) }
  }
}

async function snapshotsToVerify(c: CommandContext, repository: Repository, values: Values): Promise<Snapshot[]> {
  const [{ listSnapshots, loadSnapshot }, { parseSource }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  const ids = values['snapshot-ids']
  const onDamaged = (id: string, error: unknown) => c.log.error(`unable to parse snapshot manifest ${id}: ${messageOf(error)}`)
  if (ids.length + values.sources.length + values['directory-id'].length + values['file-id'].length === 0)
    return listSnapshots(repository, { onDamaged })
  const found: Snapshot[] = []
  const { username: user, hostname: host } = repository.client
  for (const text of values.sources)
    found.push(...(await listSnapshots(repository, { source: parseSource(text, { user, host }), onDamaged })))
  let loaded = 0
  for (const id of ids) {
    try {
      found.push(await loadSnapshot(repository, id))
      loaded++
    } catch (error) {
      c.log.error(`unable to parse snapshot manifest ${id}: ${messageOf(error)}`)
    }
  }
  if (loaded < ids.length) throw new CommandError(`found ${loaded} of the ${ids.length} requested snapshot IDs to verify`)
  return found
}

/** An object ID with an optional path; snapshots are not looked at (spec 06, 6.2). */
async function objectRoot(repository: Repository, text: string, type: 'd' | 'f'): Promise<VerifyRoot> {
  const { descend, parseObjectId } = await import('#snapshot/model/object-path.ts')
  const [first = '', ...rest] = text.split('/')
  const objectId = parseObjectId(first)
  if (objectId === undefined) throw new CommandError(`unable to parse "${text}": "${first}" is not an object ID`)
  const names = rest.filter((n) => n !== '')
  const bare = { name: first, mode: 0, sizeBytes: 0, modifiedNs: 0n, uid: 0, gid: 0, objectId }
  const root = { ...bare, type: names.length > 0 ? 'd' : type }
  const entry = await descend(repository, root, names, text)
  return { path: text, entry: { ...entry, type: entry.type === 's' && type === 'f' ? 's' : type } }
}
