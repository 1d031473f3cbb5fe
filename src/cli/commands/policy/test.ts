import { resolve } from 'node:path'
import type { JsonValue } from '#base/go-json.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { printJson } from '#cli/print/json.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { PathVerdict } from '#snapshot/explain-path.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import type { PolicyDefinition } from '#snapshot/policy/merge.ts'

/** "policy test": whether a path is kept, by which rule, with which settings. Not a command of Kopia. */
export const testPath = defineCommand({
  args: [{ name: 'path', type: 'string', repeated: true, required: true }],
  flags: [{ name: 'source', type: 'string', describe: 'As part of this source' }, ...jsonFlags],
  async run(c, values) {
    const [{ explainPath }, { effectivePolicy, policyTreeFor }, { formatSource }] = await Promise.all([
      import('#snapshot/explain-path.ts'),
      import('#snapshot/policy/store.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    const repository = await c.open()
    for (const given of values.path) {
      const path = resolve(given)
      const source = await sourceFor(repository, path, values.source)
      const verdict = explainPath(source, path, await policyTreeFor(repository, source))
      const { definition } = await effectivePolicy(repository, source)
      const settings = settingsOf(verdict, (member) => {
        // The policy of a folder below the source is used alone.
        if (verdict.policyFolder !== source.path) return formatSource({ ...source, path: verdict.policyFolder })
        return originOf(definition, member, formatSource)
      })
      if (values.json) printJson(c.io, verdictJson(path, source, verdict, settings), values['json-indent'])
      else printVerdict(c, path, formatSource(source), verdict, settings)
    }
  },
})

/** The source that is nearest to the path, of those that have snapshots or a policy; the folder itself if there is none. */
async function sourceFor(repository: Repository, path: string, given: string | undefined): Promise<SourceInfo> {
  const [{ listSources }, { listPolicies }, { namesBelow }, { parseSource, sameSource }, { statSync }, { dirname }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/policy/store.ts'),
    import('#snapshot/policy/policy-tree.ts'),
    import('#snapshot/model/source-text.ts'),
    import('node:fs'),
    import('node:path'),
  ])
  const { username: user, hostname: host } = repository.client
  if (given !== undefined) {
    const source = parseSource(given, { user, host })
    if (source.path === '') throw new CommandError(`the source ${given} has no path`)
    return source
  }
  const at = { user, host, path }
  const holding = (s: SourceInfo) => sameSource(s, at) || namesBelow(s, at) !== undefined
  const longest = (list: readonly SourceInfo[]) => list.filter(holding).sort((a, b) => b.path.length - a.path.length)[0]
  const known =
    longest(await listSources(repository)) ?? longest((await listPolicies(repository)).map((p) => p.target).filter((t) => t.path))
  if (known) return known
  return { user, host, path: statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path) }
}

interface Setting {
  readonly name: string
  readonly value: string | number | boolean
  /** The policy that says so. */
  readonly from: string
}

function originOf(definition: PolicyDefinition, member: string, format: (s: SourceInfo) => string): string {
  let at: SourceInfo | PolicyDefinition | undefined = definition
  for (const key of member.split('.')) at = (at as PolicyDefinition | undefined)?.[key]
  return at === undefined ? '(global)' : format(at as SourceInfo)
}

function settingsOf({ policy, compressor, metadataCompressor }: PathVerdict, from: (member: string) => string): Setting[] {
  const { errorHandling: e, upload, splitter } = policy
  const above = upload.parallelUploadAboveSize
  return [
    { name: 'compression', value: compressor || 'none', from: from('compression.compressorName') },
    { name: 'metadata-compression', value: metadataCompressor || 'none', from: from('metadataCompression.compressorName') },
    { name: 'splitter', value: splitter.algorithm || '(repository default)', from: from('splitter.algorithm') },
    { name: 'ignore-file-errors', value: e.ignoreFileErrors ?? false, from: from('errorHandling.ignoreFileErrors') },
    { name: 'ignore-dir-errors', value: e.ignoreDirectoryErrors ?? false, from: from('errorHandling.ignoreDirectoryErrors') },
    { name: 'parallel-upload-above-size', value: above ?? 'off', from: from('upload.parallelUploadAboveSize') },
  ]
}

const reasons = {
  rule: 'a rule ignores it',
  size: 'it is larger than the policy allows',
  device: 'it is on another file system',
  cache: 'the folder is marked as a cache (CACHEDIR.TAG)',
  type: 'it is a device, pipe or socket',
} as const

function printVerdict(c: CommandContext, path: string, source: string, verdict: PathVerdict, settings: readonly Setting[]): void {
  const { reason, rule, decidedAt, isKept } = verdict
  c.io.out(`${path}: ${isKept ? 'kept' : 'left out'}`)
  c.io.out(`  source: ${source}`)
  if (reason !== undefined) c.io.out(`  reason: ${reasons[reason]}`)
  if (decidedAt !== path) c.io.out(`  with the folder: ${decidedAt}`)
  if (rule && (isKept || reason === 'rule')) {
    const place = rule.from === 'policy' ? `policy for ${rule.place}` : `file ${rule.place}`
    c.io.out(`  rule: ${rule.text} (${place})${isKept ? ', which brings it back' : ''}`)
  }
  for (const { name, value, from } of settings) c.io.out(`  ${name}: ${value}, set by ${from}`)
}

function verdictJson(path: string, { host, user, path: root }: SourceInfo, verdict: PathVerdict, settings: readonly Setting[]): JsonValue {
  const { isKept, reason, rule, decidedAt } = verdict
  return {
    path,
    source: { host, userName: user, path: root },
    kept: isKept,
    ...(reason === undefined ? {} : { reason }),
    ...(rule ? { rule: { text: rule.text, from: rule.from, place: rule.place } } : {}),
    decidedAt,
    settings: settings.map(({ name, value, from }) => ({ name, value, from })),
  }
}
