import { messageOf } from '#base/errors.ts'
import { CommandError } from '#cli/exit.ts'
import { parseBool } from '#cli/values.ts'
import { isInherit, type PolicyChanges } from './changes.ts'
import type { SetValues } from './set-flags.ts'

type TextFlag = { [K in keyof SetValues]: SetValues[K] extends string | undefined ? K : never }[keyof SetValues]

interface NumberRule {
  readonly flag: TextFlag
  readonly path: readonly string[]
  readonly what: string
  readonly bits: 32 | 64
  /** What is stored is the number times this. */
  readonly scale?: number
  /** Stored on reset; absent = the member is removed. */
  readonly resetTo?: number
  readonly most?: number
}

const numbers: readonly NumberRule[] = [
  { flag: 'keep-annual', path: ['retention', 'keepAnnual'], what: 'number of annual backups to keep', bits: 32 },
  { flag: 'keep-monthly', path: ['retention', 'keepMonthly'], what: 'number of monthly backups to keep', bits: 32 },
  { flag: 'keep-weekly', path: ['retention', 'keepWeekly'], what: 'number of weekly backups to keep', bits: 32 },
  { flag: 'keep-daily', path: ['retention', 'keepDaily'], what: 'number of daily backups to keep', bits: 32 },
  { flag: 'keep-hourly', path: ['retention', 'keepHourly'], what: 'number of hourly backups to keep', bits: 32 },
  { flag: 'keep-latest', path: ['retention', 'keepLatest'], what: 'number of latest backups to keep', bits: 32 },
  { flag: 'max-file-size', path: ['files', 'maxFileSize'], what: 'maximum file size', bits: 64, resetTo: 0 },
  {
    flag: 'compression-min-size',
    path: ['compression', 'minSize'],
    what: 'minimum file size subject to compression',
    bits: 64,
    resetTo: 0,
  },
  {
    flag: 'compression-max-size',
    path: ['compression', 'maxSize'],
    what: 'maximum file size subject to compression',
    bits: 64,
    resetTo: 0,
  },
  { flag: 'max-parallel-file-reads', path: ['upload', 'maxParallelFileReads'], what: 'max parallel file reads', bits: 32 },
  { flag: 'max-parallel-snapshots', path: ['upload', 'maxParallelSnapshots'], what: 'max parallel snapshots', bits: 32 },
  {
    flag: 'parallel-upload-above-size-mib',
    path: ['upload', 'parallelUploadAboveSize'],
    what: 'parallel upload above size',
    bits: 64,
    scale: 2 ** 20,
  },
  {
    flag: 'log-dir-snapshotted',
    path: ['logging', 'directories', 'snapshotted'],
    what: 'log detail of snapshotted directories',
    bits: 32,
    most: 10,
  },
  { flag: 'log-dir-ignored', path: ['logging', 'directories', 'ignored'], what: 'log detail of ignored directories', bits: 32, most: 10 },
  {
    flag: 'log-entry-snapshotted',
    path: ['logging', 'entries', 'snapshotted'],
    what: 'log detail of snapshotted entries',
    bits: 32,
    most: 10,
  },
  { flag: 'log-entry-ignored', path: ['logging', 'entries', 'ignored'], what: 'log detail of ignored entries', bits: 32, most: 10 },
  { flag: 'log-entry-cache-hit', path: ['logging', 'entries', 'cacheHit'], what: 'log detail of cache hits', bits: 32, most: 10 },
  { flag: 'log-entry-cache-miss', path: ['logging', 'entries', 'cacheMiss'], what: 'log detail of cache misses', bits: 32, most: 10 },
]

const booleans: readonly (readonly [TextFlag, readonly string[], string])[] = [
  ['ignore-identical-snapshots', ['retention', 'ignoreIdenticalSnapshots'], 'ignore identical snapshots'],
  ['ignore-file-errors', ['errorHandling', 'ignoreFileErrors'], 'ignore file errors'],
  ['ignore-dir-errors', ['errorHandling', 'ignoreDirectoryErrors'], 'ignore directory errors'],
  ['ignore-unknown-types', ['errorHandling', 'ignoreUnknownTypes'], 'ignore unknown types'],
  ['ignore-cache-dirs', ['files', 'ignoreCacheDirs'], 'ignore cache dirs'],
  ['one-file-system', ['files', 'oneFileSystem'], 'one filesystem'],
]

const names: readonly (readonly [TextFlag, readonly string[], string])[] = [
  ['compression', ['compression', 'compressorName'], 'compression algorithm'],
  ['metadata-compression', ['metadataCompression', 'compressorName'], 'metadata compression algorithm'],
  ['splitter', ['splitter', 'algorithm'], 'splitter algorithm'],
]

const shadowCopy = ['never', 'always', 'when-available']

/** Members that hold one value each, and lists. Throws CommandError. */
export function applyValues(changes: PolicyChanges, values: SetValues): void {
  for (const rule of numbers) applyNumber(changes, rule, values[rule.flag])
  for (const [flag, path, what] of booleans) applyBoolean(changes, path, what, values[flag])
  for (const [flag, path, what] of names) applyName(changes, path, what, values[flag])
  applyLists(changes, values)
  const copy = values['enable-volume-shadow-copy']
  if (copy === 'inherit') changes.remove(['osSnapshots', 'volumeShadowCopy', 'enable'], 'resetting volume shadow copy to inherit')
  else if (copy)
    changes.set(['osSnapshots', 'volumeShadowCopy', 'enable'], shadowCopy.indexOf(copy), `setting volume shadow copy to ${copy}`)
  for (const inherit of values.inherit) changes.set(['noParent'], !inherit, `setting inherit from parent to ${inherit}`)
}

function applyNumber(changes: PolicyChanges, rule: NumberRule, text: string | undefined): void {
  if (text === undefined || text === '') return
  if (isInherit(text)) {
    const line = `resetting "${rule.what}" to a default value inherited from parent.`
    if (rule.resetTo === undefined) {
      changes.remove(rule.path, line)
      return
    }
    changes.set(rule.path, rule.resetTo, line)
    return
  }
  const limit = rule.bits === 32 ? 2 ** 31 : 2 ** 63
  const value = Number(text)
  const fail = (why: string) => {
    throw new CommandError(`can't parse the ${rule.what} ${JSON.stringify(text)}: ${why}`)
  }
  if (!/^[+-]?\d+$/.test(text)) fail(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  if (value >= limit || value < -limit) fail('value out of range')
  if (rule.most !== undefined && (value < 0 || value > rule.most)) fail(`must be between 0 and ${rule.most}`)
  changes.set(rule.path, value * (rule.scale ?? 1), `setting "${rule.what}" to ${value}.`)
}

function applyBoolean(changes: PolicyChanges, path: readonly string[], what: string, text: string | undefined): void {
  if (text === undefined || text === '') return
  if (isInherit(text)) {
    changes.remove(path, `resetting "${what}" to a default value inherited from parent.`)
    return
  }
  let value: boolean
  try {
    value = parseBool(text)
  } catch (error) {
    throw new CommandError(`can't parse ${what} ${JSON.stringify(text)}: ${messageOf(error)}`, { cause: error })
  }
  changes.set(path, value, `setting "${what}" to ${value}.`)
}

function applyName(changes: PolicyChanges, path: readonly string[], what: string, name: string | undefined): void {
  if (name === undefined || name === '') return
  if (name === 'inherit') {
    changes.remove(path, `resetting ${what} to default value inherited from parent`)
    return
  }
  // It can be read, but no longer written: every file of a snapshot would fail.
  if (name === 'lz4') throw new CommandError(`the ${what} lz4 can no longer be written. Choose another one, such as zstd.`)
  changes.set(path, name, `setting ${what} to ${name}`)
}

interface ListRule {
  readonly path: readonly string[]
  readonly what: string
  readonly add: readonly string[]
  readonly remove: readonly string[]
  readonly clear: boolean
}

function applyLists(changes: PolicyChanges, v: SetValues): void {
  const lists: ListRule[] = [
    { path: ['files', 'ignore'], what: 'ignore rules', add: v['add-ignore'], remove: v['remove-ignore'], clear: v['clear-ignore'] },
    {
      path: ['files', 'ignoreDotFiles'],
      what: 'ignore dot files',
      add: v['add-dot-ignore'],
      remove: v['remove-dot-ignore'],
      clear: v['clear-dot-ignore'],
    },
    {
      path: ['compression', 'onlyCompress'],
      what: 'only-compress extensions',
      add: v['add-only-compress'],
      remove: v['remove-only-compress'],
      clear: v['clear-only-compress'],
    },
    {
      path: ['compression', 'neverCompress'],
      what: 'never-compress extensions',
      add: v['add-never-compress'],
      remove: v['remove-never-compress'],
      clear: v['clear-never-compress'],
    },
  ]
  for (const list of lists) applyList(changes, list)
}

function applyList(changes: PolicyChanges, { path, what, add, remove, clear }: ListRule): void {
  if (clear) {
    changes.remove(path, `removing all from "${what}"`)
    return
  }
  const items = new Set((changes.get(path) as readonly string[] | undefined) ?? [])
  const sorted = (): string[] => [...items].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  for (const item of add) {
    items.add(item)
    changes.set(path, sorted(), `adding "${item}" to "${what}"`)
  }
  for (const item of remove) {
    items.delete(item)
    changes.set(path, sorted(), `removing "${item}" from "${what}"`)
  }
  changes.setQuietly(path, items.size === 0 ? undefined : sorted())
}
