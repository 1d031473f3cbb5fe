import type { JsonValue } from '#base/go-json.ts'
import { parseLosslessJson } from '#base/go-json.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, type Flag, jsonFlags, type ValuesOf } from '#cli/flag.ts'
import { JsonList } from '#cli/print/json.ts'
import { type ListedSnapshot, type RowOptions, snapshotRows } from '#cli/print/snapshot-rows.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { SourceGroup } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import type { StorageUse } from './storage-use.ts'

const flags = [
  { name: 'incomplete', short: 'i', type: 'bool' },
  { name: 'human-readable', type: 'bool', default: 'true' },
  { name: 'delta', short: 'd', type: 'bool' },
  { name: 'manifest-id', short: 'm', type: 'bool' },
  { name: 'retention', type: 'bool', default: 'true' },
  { name: 'mtime', type: 'bool' },
  { name: 'owner', type: 'bool' },
  { name: 'show-identical', short: 'l', type: 'bool' },
  { name: 'storage-stats', type: 'bool' },
  { name: 'reverse', type: 'bool' },
  { name: 'all', short: 'a', type: 'bool' },
  { name: 'max-results', short: 'n', type: 'int' },
  { name: 'tags', type: 'string', repeated: true },
  ...jsonFlags,
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof flags)[number]>

export const list = defineCommand({
  args: [{ name: 'source', type: 'string' }],
  flags,
  async run(c, values) {
    const { parseSource } = await import('#snapshot/model/source-text.ts')
    const tags = parseTags(values.tags)
    const repository = await c.open()
    const { username: user, hostname: host } = repository.client
    const source = values.source === undefined ? undefined : parseSource(values.source, { user, host })
    const groups = await groupsOf(c, repository, source, tags)
    if (values.json) await printAsJson(c, repository, groups, values)
    else await printAsText(c, repository, groups, source, values)
  },
})

/** `K:V` words as manifest labels. Throws CommandError for a word without a colon or a key given twice. */
export function parseTags(words: readonly string[]): Record<string, string> {
  const tags: Record<string, string> = {}
  for (const word of words) {
    const colon = word.indexOf(':')
    if (colon < 0) throw new CommandError(`invalid tag format: ${word}. Requires <key>:<value>`)
    const key = `tag:${word.slice(0, colon)}`
    if (Object.hasOwn(tags, key)) throw new CommandError(`duplicate tag key: ${word.slice(0, colon)}`)
    tags[key] = word.slice(colon + 1)
  }
  return tags
}

/** Snapshots of the source and of every folder above it, or of all sources. */
async function groupsOf(
  c: CommandContext,
  repository: Repository,
  source: SourceInfo | undefined,
  tags: Readonly<Record<string, string>>,
): Promise<SourceGroup[]> {
  const [{ groupBySource, listSnapshots }, { parentPath }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/policy/store.ts'),
  ])
  const onDamaged = (id: string, error: unknown) => c.log.error(`snapshot ${id} is left out: ${String(error)}`)
  if (source === undefined) return groupBySource(await listSnapshots(repository, { tags, onDamaged }))
  const found: Snapshot[] = []
  if (source.path === '') return []
  for (let path = source.path; ; path = parentPath(path)) {
    found.push(...(await listSnapshots(repository, { source: { ...source, path }, tags, onDamaged })))
    if (parentPath(path) === path) break
  }
  return groupBySource(found)
}

async function reasonsOf(
  repository: Repository,
  source: SourceInfo,
  snapshots: readonly Snapshot[],
): Promise<Map<string, readonly string[]>> {
  const [{ applyRetention }, { effectivePolicy }] = await Promise.all([
    import('#snapshot/policy/retention.ts'),
    import('#snapshot/policy/store.ts'),
  ])
  const { effective } = await effectivePolicy(repository, source)
  return new Map(applyRetention(snapshots, effective.retention).map((r) => [r.snapshot.id, r.reasons]))
}

const ordered = (snapshots: readonly Snapshot[], values: Values): Snapshot[] => (values.reverse ? snapshots.toReversed() : [...snapshots])

const lastOf = (snapshots: Snapshot[], values: Values): Snapshot[] => {
  const most = values['max-results'] ?? 0
  return most > 0 ? snapshots.slice(-most) : snapshots
}

async function useOf(repository: Repository, snapshots: readonly Snapshot[], values: Values): Promise<Map<string, StorageUse>> {
  if (!values['storage-stats']) return new Map()
  const { storageUse } = await import('./storage-use.ts')
  return storageUse(repository, snapshots)
}

async function printAsJson(c: CommandContext, repository: Repository, groups: readonly SourceGroup[], values: Values): Promise<void> {
  const { encodeSnapshot } = await import('#snapshot/model/manifest-json.ts')
  const json = new JsonList(c.io, values['json-indent'])
  for (const group of groups) {
    const chosen = lastOf(ordered(group.snapshots, values), values)
    const reasons = values.retention ? await reasonsOf(repository, group.source, chosen) : new Map<string, readonly string[]>()
    const uses = await useOf(repository, chosen, values)
    for (const snapshot of chosen) {
      const storageStats = uses.get(snapshot.id) ?? snapshot.storageStats
      const value = parseLosslessJson(encodeSnapshot({ ...snapshot, storageStats }, snapshot.id)) as Record<string, JsonValue>
      const found = reasons.get(snapshot.id) ?? []
      json.add(found.length === 0 ? value : { ...value, retentionReason: found })
    }
  }
  json.end()
}

async function printAsText(
  c: CommandContext,
  repository: Repository,
  groups: readonly SourceGroup[],
  source: SourceInfo | undefined,
  values: Values,
): Promise<void> {
  const { formatSource } = await import('#snapshot/model/source-text.ts')
  const { username, hostname } = repository.client
  const shown = groups.filter(({ source: s }) => values.all || (s.user === username && s.host === hostname))
  const options = rowOptions(values)
  let isFirst = true
  for (const group of shown) {
    const reasons = values.retention ? await reasonsOf(repository, group.source, group.snapshots) : new Map<string, readonly string[]>()
    const chosen = lastOf(ordered(group.snapshots, values), values)
    const uses = await useOf(repository, chosen, values)
    c.io.out(`${isFirst ? '' : '\n'}${formatSource(group.source)}`)
    isFirst = false
    const listed: ListedSnapshot[] = []
    for (const snapshot of chosen) {
      if (snapshot.incomplete && !values.incomplete) continue
      const entry = await nestedEntry(repository, snapshot, group.source, source)
      if (typeof entry === 'string') c.io.out(`  ${c.times.seconds(snapshot.startNs)} <ERROR> ${entry}`)
      else if (entry) listed.push({ snapshot, entry, reasons: reasons.get(snapshot.id) ?? [], use: uses.get(snapshot.id) })
    }
    for (const row of snapshotRows(listed, options, c)) c.io.out(row)
  }
  if (shown.length === 0 && groups.length > 0) c.log.info('No snapshots found. Pass --all to show snapshots from all users/hosts.\n')
}

const rowOptions = (values: Values): RowOptions => ({
  humanReadable: values['human-readable'],
  owner: values.owner,
  mtime: values.mtime,
  manifestId: values['manifest-id'],
  delta: values.delta,
  storageStats: values['storage-stats'],
  identical: values['show-identical'],
})

/** The entry that a snapshot holds for the wanted source; a text says why it cannot be had. */
async function nestedEntry(repository: Repository, snapshot: Snapshot, group: SourceInfo, wanted: SourceInfo | undefined) {
  const root = snapshot.rootEntry
  if (!root) return 'the snapshot has no root'
  const names = wanted
    ? wanted.path
        .slice(group.path.length)
        .split('/')
        .filter((n) => n !== '')
    : []
  if (names.length === 0) return root
  const [{ descend }, { PathNotFoundError }] = await Promise.all([
    import('#snapshot/model/object-path.ts'),
    import('#snapshot/model/errors.ts'),
  ])
  try {
    return await descend(repository, root, names, wanted?.path ?? '')
  } catch (error) {
    if (error instanceof PathNotFoundError) return 'error reading directory: entry not found'
    return error instanceof Error ? error.message : String(error)
  }
}
