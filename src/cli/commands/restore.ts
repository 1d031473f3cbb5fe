import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError, SilentFailure } from '#cli/exit.ts'
import { defineCommand, type Flag, type ValuesOf } from '#cli/flag.ts'
import { RestoreProgress, restoredLine } from '#cli/print/restore-progress.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { LocalRestoreOptions, RestoreResult } from '#snapshot/restore/options.ts'
import { type RestoreSource, resolveRestoreSource } from './restore-source.ts'

const placeholderEnd = '.kopia-entry'

const archives = {
  zip: 'a zip file',
  'zip-nocompress': 'an uncompressed zip file',
  tar: 'an uncompressed tar file',
  tgz: 'a tar+gzip file',
} as const

/** By the name of the target, when the person leaves it open (spec 06, 7.3). */
function modeByName(target: string): 'local' | 'zip' | 'tar' | 'tgz' {
  if (target.endsWith('.zip')) return 'zip'
  if (target.endsWith('.tar')) return 'tar'
  return /\.(tar\.gz|tgz)$/.test(target) ? 'tgz' : 'local'
}

const flags = [
  { name: 'overwrite-directories', type: 'bool', default: 'true' },
  { name: 'overwrite-files', type: 'bool', default: 'true' },
  { name: 'overwrite-symlinks', type: 'bool', default: 'true' },
  { name: 'write-sparse-files', type: 'bool' },
  { name: 'consistent-attributes', type: 'bool', env: 'KOPIA_RESTORE_CONSISTENT_ATTRIBUTES' },
  { name: 'mode', type: 'enum', values: ['auto', 'local', 'zip', 'zip-nocompress', 'tar', 'tgz'], default: 'auto' },
  { name: 'parallel', type: 'int', default: '8' },
  { name: 'skip-owners', type: 'bool' },
  { name: 'skip-permissions', type: 'bool' },
  { name: 'skip-times', type: 'bool' },
  { name: 'own-folder-times', type: 'bool', describe: 'Sub-folders get their own time instead of the newest time in them' },
  { name: 'ignore-permission-errors', type: 'bool', default: 'true' },
  { name: 'write-files-atomically', type: 'bool' },
  { name: 'ignore-errors', type: 'bool' },
  { name: 'skip-existing', type: 'bool' },
  { name: 'delete-extra', type: 'bool' },
  { name: 'shallow', type: 'int32', describe: 'Put placeholders for what is deeper than this; 0: for all in the folder' },
  { name: 'shallow-minsize', type: 'int32', default: '0', describe: 'No placeholders for files of fewer bytes' },
  {
    name: 'resume',
    type: 'enum',
    values: ['no', 'time', 'content'],
    default: 'no',
    describe: 'Leave what is right already, by size and time or by content',
  },
  { name: 'snapshot-time', type: 'string', default: 'latest' },
  { name: 'flush-files', type: 'bool' },
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof flags)[number]>

export const restore = defineCommand({
  args: [{ name: 'sources', type: 'string', repeated: true, required: true }],
  flags,
  async run(c, values) {
    const isExpansion = values.sources.every((w) => w.endsWith(placeholderEnd))
    if (isExpansion) return expand(c, values.sources, values)
    const { source, target } = sourceAndTarget(values.sources)
    const mode = values.mode === 'auto' ? modeByName(target) : (values.mode as ReturnType<typeof modeByName> | 'zip-nocompress')
    const repository = await c.open()
    if (values.mode === 'auto')
      c.log.info(`Restoring to ${mode === 'local' ? localPlace(target, values) : `${archives[mode]} (${target})`}...`)
    const found = await resolveRestoreSource(repository, source, {
      isInPlace: values.sources.length === 1,
      snapshotTime: values['snapshot-time'],
      consistent: values['consistent-attributes'],
    })
    announce(c, found)
    if (mode === 'local') return restoreLocally(c, found.entry, target, values, Number.POSITIVE_INFINITY)
    const { restoreArchive } = await import('#snapshot/restore/archive.ts')
    const observer = new RestoreProgress(c, repository.clock, values['ignore-errors'])
    const request = { repository, root: found.entry, target, mode, ownFolderTimes: values['own-folder-times'], observer, signal: c.stop }
    finish(c, await restoreArchive(request).finally(() => observer.end()), values['ignore-errors'])
  },
})

const parallelism = (values: Values): number => (values.parallel > 0 ? values.parallel : availableParallelism())
const localPlace = (target: string, values: Values): string => `local filesystem (${target}) with parallelism=${parallelism(values)}`

/** Puts what placeholders stand for in their place; in turn, what it holds becomes placeholders, unless --shallow says otherwise
 *  (spec 06, 7.5). */
async function expand(c: CommandContext, paths: readonly string[], values: Values): Promise<void> {
  if (values.mode !== 'auto' && values.mode !== 'local')
    throw new CommandError(`placeholders can only be expanded in place, not with --mode=${values.mode}`)
  const { openPlaceholder } = await import('#snapshot/restore/placeholder.ts')
  const repository = await c.open()
  for (const path of paths) {
    const { entry, target } = await openPlaceholder(repository, resolve(path))
    if (values.mode === 'auto') c.log.info(`Restoring to ${localPlace(target, values)}...`)
    await restoreLocally(c, entry, target, values, 0)
  }
}

async function restoreLocally(c: CommandContext, root: DirectoryEntry, target: string, values: Values, depth: number): Promise<void> {
  const { restoreTree } = await import('#snapshot/restore/run.ts')
  const repository = await c.open()
  const progress = new RestoreProgress(c, repository.clock, values['ignore-errors'])
  const options: LocalRestoreOptions = {
    overwriteDirectories: values['overwrite-directories'],
    overwriteFiles: values['overwrite-files'],
    overwriteSymlinks: values['overwrite-symlinks'],
    skipExisting: values['skip-existing'],
    skipOwners: values['skip-owners'],
    skipPermissions: values['skip-permissions'],
    skipTimes: values['skip-times'],
    ownFolderTimes: values['own-folder-times'],
    ignorePermissionErrors: values['ignore-permission-errors'],
    writeFilesAtomically: values['write-files-atomically'],
    writeSparseFiles: values['write-sparse-files'],
    flushFiles: values['flush-files'],
    deleteExtra: values['delete-extra'],
    resume: values.resume as LocalRestoreOptions['resume'],
    shallowDepth: values.shallow ?? depth,
    shallowMinBytes: values['shallow-minsize'],
    parallel: parallelism(values),
  }
  const request = { repository, root, target, observer: progress, signal: c.stop, options }
  finish(c, await restoreTree(request).finally(() => progress.end()), values['ignore-errors'])
}

/** What to restore and where to: the second is absolute (spec 06, 7.1). */
function sourceAndTarget(words: readonly string[]): { readonly source: string; readonly target: string } {
  if (words.some((w) => w.endsWith(placeholderEnd)))
    throw new CommandError(`either all arguments are placeholders (names that end in ${placeholderEnd}), or none is`)
  const [source = '', target = source, ...more] = words
  if (more.length > 0) throw new CommandError('restore takes a source and a target path, or one path that is both')
  return { source, target: resolve(target) }
}

function announce(c: CommandContext, { origin }: RestoreSource): void {
  if (!origin) return
  const { sourceText, startNs, relativePath, objectId } = origin
  const lines = [
    'Restoring from',
    `   Snapshot source: ${sourceText}`,
    `   Snapshot time: ${c.times.seconds(startNs)}`,
    `   Relative path: ${relativePath}`,
    `   Object ID: ${objectId}`,
  ]
  c.log.info(lines.join('\n'))
}

/** The closing line; failures that are not to be ignored make the command fail. Each has been printed. */
function finish(c: CommandContext, result: RestoreResult, ignoreErrors: boolean): void {
  c.log.info(`${restoredLine(result.counters, ignoreErrors ? result.failures.length : 0, c.sizes)}\n`)
  if (ignoreErrors || result.failures.length === 0) return
  const [first] = result.failures
  if (result.failures.length === 1 && first) throw new CommandError(`error restoring: ${first.path}: ${messageOf(first.error)}`)
  c.log.error(`error restoring: ${result.failures.length} entries could not be restored`)
  throw new SilentFailure()
}
