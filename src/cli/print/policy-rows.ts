import type { SourceInfo } from '#snapshot/model/source.ts'
import { formatSource, sameSource } from '#snapshot/model/source-text.ts'
import type { MergedPolicy, PolicyDefinition } from '#snapshot/policy/merge.ts'
import type { Action, Policy } from '#snapshot/policy/policy.ts'
import { goDuration } from './duration.ts'
import type { SizePrinter } from './sizes.ts'
import type { Row } from './table.ts'

interface Printing {
  readonly policy: Policy
  readonly sizes: SizePrinter
  /** Where the value of a dotted member comes from. */
  origin(member: string): string
}

/** Rows of "policy show" without the first line: groups separated by empty rows (spec 06, 10.1). */
export function policyRows(merged: MergedPolicy, target: SourceInfo, sizes: SizePrinter): Row[] {
  const p: Printing = { policy: merged.effective, sizes, origin: (member) => originText(merged.definition, member, target) }
  const groups = [
    retentionRows(p),
    filesRows(p),
    errorRows(p),
    schedulingRows(p),
    uploadRows(p),
    compressionRows(p),
    metadataRows(p),
    [label('Splitter:'), row(p, '  Algorithm override:', p.policy.splitter.algorithm || '(repository default)', 'splitter.algorithm')],
    actionRows(p),
    [label('OS-level snapshot support:'), row(p, '  Volume Shadow Copy:', shadowCopyText(p.policy), 'osSnapshots.volumeShadowCopy.enable')],
    loggingRows(p),
  ]
  return groups.flatMap((group, i) => (i === 0 ? group : [label(''), ...group]))
}

/** Only the retention and compression rows, as "repository create" prints them. */
export function newRepositoryRows(merged: MergedPolicy, target: SourceInfo, sizes: SizePrinter): Row[] {
  const p: Printing = { policy: merged.effective, sizes, origin: (member) => originText(merged.definition, member, target) }
  return [...retentionRows(p), label(''), ...compressionRows(p)]
}

function originText(definition: PolicyDefinition, member: string, target: SourceInfo): string {
  let at: SourceInfo | PolicyDefinition | undefined = definition
  for (const key of member.split('.')) at = (at as PolicyDefinition | undefined)?.[key]
  const source = at as SourceInfo | undefined
  if (source === undefined) return 'inherited from (global)'
  return sameSource(source, target) ? '(defined for this target)' : `inherited from ${formatSource(source)}`
}

const label = (text: string): Row => ({ label: text })
const row = (p: Printing, text: string, value: string | number | boolean, member: string): Row => ({
  label: text,
  value: String(value),
  origin: p.origin(member),
})
const indented = (lines: readonly string[], by = '    '): Row[] => lines.map((line) => label(by + line))

function retentionRows(p: Printing): Row[] {
  const r = p.policy.retention
  const count = (text: string, key: Exclude<keyof typeof r, 'ignoreIdenticalSnapshots'>) => row(p, text, r[key] ?? '-', `retention.${key}`)
  return [
    label('Retention:'),
    count('  Annual snapshots:', 'keepAnnual'),
    count('  Monthly snapshots:', 'keepMonthly'),
    count('  Weekly snapshots:', 'keepWeekly'),
    count('  Daily snapshots:', 'keepDaily'),
    count('  Hourly snapshots:', 'keepHourly'),
    count('  Latest snapshots:', 'keepLatest'),
    row(p, '  Ignore identical snapshots:', r.ignoreIdenticalSnapshots ?? false, 'retention.ignoreIdenticalSnapshots'),
  ]
}

function filesRows(p: Printing): Row[] {
  const f = p.policy.files
  const rows = [label('Files policy:'), row(p, '  Ignore cache directories:', f.ignoreCacheDirs ?? true, 'files.ignoreCacheDirs')]
  if (f.ignore?.length) rows.push({ label: '  Ignore rules:', origin: p.origin('files.ignore') }, ...indented(f.ignore))
  else rows.push(label('  No ignore rules:'))
  if (f.ignoreDotFiles?.length)
    rows.push({ label: '  Read ignore rules from files:', origin: p.origin('files.ignoreDotFiles') }, ...indented(f.ignoreDotFiles))
  if (f.maxFileSize) rows.push(row(p, '  Ignore files above:', p.sizes.bytes(f.maxFileSize), 'files.maxFileSize'))
  rows.push(row(p, '  Scan one filesystem only:', f.oneFileSystem ?? false, 'files.oneFileSystem'))
  return rows
}

function errorRows(p: Printing): Row[] {
  const e = p.policy.errorHandling
  return [
    label('Error handling policy:'),
    row(p, '  Ignore file read errors:', e.ignoreFileErrors ?? false, 'errorHandling.ignoreFileErrors'),
    row(p, '  Ignore directory read errors:', e.ignoreDirectoryErrors ?? false, 'errorHandling.ignoreDirectoryErrors'),
    row(p, '  Ignore unknown types:', e.ignoreUnknownTypes ?? true, 'errorHandling.ignoreUnknownTypes'),
  ]
}

function schedulingRows(p: Printing): Row[] {
  const s = p.policy.scheduling
  const rows = [label('Scheduling policy:'), label('  Scheduled snapshots:')]
  if (s.intervalSeconds) {
    const text = goDuration(BigInt(s.intervalSeconds) * 1_000_000_000n)
    rows.push(row(p, '    Snapshot interval:', text, 'scheduling.intervalSeconds'))
  }
  if (s.timeOfDay?.length) {
    rows.push(row(p, '  Run missed snapshots:', s.runMissed ?? false, 'scheduling.runMissed'))
    rows.push({ label: '  Snapshot times:', origin: p.origin('scheduling.timeOfDay') })
    rows.push(...indented(s.timeOfDay.map(({ hour, min }) => `${hour}:${String(min).padStart(2, '0')}`)))
  }
  if (s.cron?.length) rows.push({ label: '  Crontab expressions:', origin: p.origin('scheduling.cron') }, ...indented(s.cron))
  if (!s.intervalSeconds && !s.timeOfDay?.length && !s.cron?.length) rows.push(label('    None.'))
  rows.push(row(p, '  Manual snapshot:', s.manual ?? false, 'scheduling.manual'))
  return rows
}

function uploadRows(p: Printing): Row[] {
  const u = p.policy.upload
  const above = u.parallelUploadAboveSize
  return [
    label('Uploads:'),
    row(p, '  Max parallel snapshots (server/UI):', u.maxParallelSnapshots ?? '-', 'upload.maxParallelSnapshots'),
    row(p, '  Max parallel file reads:', u.maxParallelFileReads ?? '-', 'upload.maxParallelFileReads'),
    row(p, '  Parallel upload above size:', above === undefined ? '-' : p.sizes.bytes(above), 'upload.parallelUploadAboveSize'),
  ]
}

function compressionRows(p: Printing): Row[] {
  const c = p.policy.compression
  if (!c.compressorName || c.compressorName === 'none') return [label('Compression disabled.')]
  const rows = [label('Compression:'), row(p, '  Compressor:', c.compressorName, 'compression.compressorName')]
  if (c.onlyCompress?.length) {
    rows.push({ label: '  Only compress files with the following extensions:', origin: p.origin('compression.onlyCompress') })
    rows.push(...indented(c.onlyCompress, '     - '))
  } else if (c.neverCompress?.length) {
    rows.push({ label: '  Compress all files except the following extensions:', origin: p.origin('compression.neverCompress') })
    rows.push(...indented(c.neverCompress))
  } else rows.push(label('  Compress files regardless of extensions.'))
  const [least, most] = [c.minSize ?? 0, c.maxSize ?? 0]
  if (most > 0) rows.push(label(`  Only compress files between ${p.sizes.bytes(least)} and ${p.sizes.bytes(most)}.`))
  else if (least > 0) rows.push(label(`  Only compress files bigger than ${p.sizes.bytes(least)}.`))
  else rows.push(label('  Compress files of all sizes.'))
  return rows
}

function metadataRows(p: Printing): Row[] {
  const name = p.policy.metadataCompression.compressorName
  if (!name || name === 'none') return [label('Metadata compression disabled.')]
  return [label('Metadata compression:'), row(p, '  Compressor:', name, 'metadataCompression.compressorName')]
}

function actionRows(p: Printing): Row[] {
  const a = p.policy.actions
  const all: [string, Action | undefined, string][] = [
    ['Run command before snapshot root:', a.beforeSnapshotRoot, p.origin('actions.beforeSnapshotRoot')],
    ['Run command after snapshot root:', a.afterSnapshotRoot, p.origin('actions.afterSnapshotRoot')],
    ['Run command before this folder:', a.beforeFolder, '(non-inheritable)'],
    ['Run command after this folder:', a.afterFolder, '(non-inheritable)'],
  ]
  const rows = all.flatMap(([title, action, origin]) => (action ? oneAction(title, action, origin) : []))
  return rows.length === 0 ? [label('No actions defined.')] : rows
}

function oneAction(title: string, action: Action, origin: string): Row[] {
  const command = action.script
    ? [label('  Embedded script (stored in repository):'), ...indented(action.script.split('\n'))]
    : [label('  Command:'), label(`    ${[action.path ?? '', ...(action.args ?? [])].join(' ')}`)]
  const timeout = goDuration(BigInt(action.timeout ?? 0) * 1_000_000_000n)
  return [
    { label: title, origin },
    ...command,
    { label: '  Mode:', value: action.mode || 'sync' },
    { label: '  Timeout:', value: timeout },
    label(''),
  ]
}

const shadowCopyText = (policy: Policy): string =>
  ['never', 'always', 'when-available'][policy.osSnapshots.volumeShadowCopy.enable ?? 0] ?? 'never'

function loggingRows(p: Printing): Row[] {
  const { directories: d, entries: e } = p.policy.logging
  const level = (text: string, value: number | undefined, member: string) => row(p, text, value ?? 0, `logging.${member}`)
  return [
    label('Logging details (0-none, 10-maximum):'),
    level('  Directory snapshotted:', d.snapshotted, 'directories.snapshotted'),
    level('  Directory ignored:', d.ignored, 'directories.ignored'),
    level('  Entry snapshotted:', e.snapshotted, 'entries.snapshotted'),
    level('  Entry ignored:', e.ignored, 'entries.ignored'),
    level('  Entry cache hit:', e.cacheHit, 'entries.cacheHit'),
    level('  Entry cache miss:', e.cacheMiss, 'entries.cacheMiss'),
  ]
}
