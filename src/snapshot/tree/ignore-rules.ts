import type { FilesPolicy } from '#snapshot/policy/policy.ts'
import { compilePattern, type IgnorePattern, MatchPath } from './ignore-pattern.ts'

/** Rules in force in a directory: its own and those of all directories above (spec 07, 7.2.2). */
export interface IgnoreContext {
  readonly parent: IgnoreContext | undefined
  readonly patterns: readonly IgnorePattern[]
  readonly dotFiles: readonly string[]
  /** 0 = no limit. */
  readonly maxFileSizeBytes: number
  readonly oneFileSystem: boolean
}

/** What lies above the snapshot root: nothing is ignored. */
export const outermostContext: IgnoreContext = {
  parent: undefined,
  patterns: [],
  dotFiles: [],
  maxFileSizeBytes: 0,
  oneFileSystem: false,
}

/** The context of a directory. `path`: '' for the snapshot root, else `/a/b`. `defined`: the files section of the policy defined at
 *  exactly this directory (for the root: of the effective policy), else undefined. `readIgnoreFile` gives the text of an ignore file, or
 *  undefined if there is none. Throws IgnoreRuleError, and what `readIgnoreFile` throws: the directory then fails. Source: spec 07, 7.2.2. */
export function enterDirectory(
  parent: IgnoreContext,
  path: string,
  defined: FilesPolicy | undefined,
  readIgnoreFile: (name: string) => string | undefined,
): IgnoreContext {
  const dotFiles = defined ? (defined.ignoreDotFiles ?? []) : parent.dotFiles
  const texts: string[] = []
  for (const name of dotFiles) {
    const text = readIgnoreFile(name)
    if (text !== undefined) texts.push(text)
  }
  if (!defined && texts.length === 0) return parent
  const rules = [...(defined?.ignore ?? []), ...texts.flatMap(ignoreLines)]
  return {
    parent,
    patterns: rules.map((r) => compilePattern(r, path)).filter((p) => p !== undefined),
    dotFiles,
    maxFileSizeBytes: defined?.maxFileSize || parent.maxFileSizeBytes,
    oneFileSystem: defined ? (defined.oneFileSystem ?? false) : parent.oneFileSystem,
  }
}

/** The rules of an ignore file: lines without comments and blank lines. */
export const ignoreLines = (text: string): string[] => text.split(/\r?\n/).filter((line) => !line.startsWith('#') && line.trim() !== '')

/** Whether rules leave out the entry at `path` (`/a/b.txt` from the snapshot root). Source: spec 07, 7.2.3. */
export function isIgnored(context: IgnoreContext, path: string | MatchPath, isDirectory: boolean): boolean {
  const target = typeof path === 'string' ? new MatchPath(path) : path
  let ignored = context.parent ? isIgnored(context.parent, target, isDirectory) : false
  for (const pattern of context.patterns) {
    if (pattern.negated !== ignored || (pattern.directoriesOnly && !isDirectory)) continue
    if (pattern.matches(target)) ignored = !ignored
  }
  return ignored
}

export interface Candidate {
  readonly isDirectory: boolean
  /** 0 for directories. */
  readonly sizeBytes: number
  readonly device: number
}

/** Why an entry is left out: by a rule (reported as excluded), for its size or its device (not reported); undefined if it is not.
 *  `directoryDevice`: device number of the directory it lies in. Source: spec 07, 7.2.1. */
export function whyHidden(
  context: IgnoreContext,
  path: string,
  entry: Candidate,
  directoryDevice: number,
): 'rule' | 'size' | 'device' | undefined {
  if (isIgnored(context, path, entry.isDirectory)) return 'rule'
  if (context.maxFileSizeBytes > 0 && entry.sizeBytes > context.maxFileSizeBytes) return 'size'
  return context.oneFileSystem && entry.device !== directoryDevice ? 'device' : undefined
}
