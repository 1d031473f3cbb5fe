import { basename, join } from 'node:path'
import { systemCode, UsageError } from '#base/errors.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { compressorFor, metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import type { Policy, PolicyTree } from '#snapshot/policy/policy.ts'
import { namesBelow } from '#snapshot/policy/policy-tree.ts'
import { compilePattern, type IgnorePattern, MatchPath } from '#snapshot/tree/ignore-pattern.ts'
import { ignoreLines } from '#snapshot/tree/ignore-rules.ts'
import { isCacheDirectory, type LocalEntry, readIgnoreFile, statLocal } from '#snapshot/tree/local-tree.ts'

/** A rule and where it stands. */
export interface PlacedRule {
  readonly text: string
  /** Of a policy: the folder that it is defined for; of an ignore file: the file. */
  readonly from: 'policy' | 'file'
  readonly place: string
}

export interface PathVerdict {
  readonly isKept: boolean
  /** What leaves it out; undefined when it is kept. */
  readonly reason: 'rule' | 'size' | 'device' | 'cache' | 'type' | undefined
  /** The last rule that had a say: one that leaves it out, or one that brings it back. */
  readonly rule: PlacedRule | undefined
  /** The path itself, or the folder above it that is left out with everything in it. */
  readonly decidedAt: string
  readonly entry: LocalEntry
  readonly policy: Policy
  /** The folder whose policy is used. */
  readonly policyFolder: string
  readonly compressor: string
  readonly metadataCompressor: string
}

interface Rules {
  readonly list: readonly { readonly rule: PlacedRule; readonly pattern: IgnorePattern }[]
  readonly dotFiles: readonly string[]
  readonly maxFileSizeBytes: number
  readonly oneFileSystem: boolean
}

/** Whether a snapshot of `source` would take the local path, which rule decides, and with which settings. The path must exist, be the source or
 *  lie below it. Throws UsageError; IgnoreRuleError and IgnoreFileError as the snapshot would. Source: spec 07, 7.2 and 7.3. */
export function explainPath(source: SourceInfo, path: string, tree: PolicyTree): PathVerdict {
  const names = path === source.path ? [] : namesBelow(source, { ...source, path })
  if (!names) throw new UsageError(`${path} is not in the source ${source.path}`)
  let folder = source.path
  let relative = ''
  let node = tree
  let policyFolder = folder
  let entry = look(folder)
  let rules: Rules = { list: [], dotFiles: [], maxFileSizeBytes: 0, oneFileSystem: false }
  let rule: PlacedRule | undefined
  const verdict = (reason: PathVerdict['reason'], decidedAt: string): PathVerdict => ({
    isKept: reason === undefined,
    reason,
    rule,
    decidedAt,
    entry,
    policy: node.effective,
    policyFolder,
    compressor: compressorFor(node.effective.compression, basename(path), entry.sizeBytes),
    metadataCompressor: metadataCompressorOf(node.effective),
  })
  for (const name of names) {
    const { files } = node.effective
    if ((files.ignoreCacheDirs ?? true) && isCacheDirectory(folder, found(folder, 'CACHEDIR.TAG'))) return verdict('cache', folder)
    rules = extend(rules, folder, relative, node.isDefined || relative === '' ? files : undefined, policyFolder)
    const parent = entry
    folder = join(folder, name)
    relative = relative === '' ? name : `${relative}/${name}`
    node = node.child(name)
    if (node.isDefined) policyFolder = folder
    entry = look(folder)
    const judged = judge(rules, `/${relative}`, entry.type === 'd')
    rule = judged.rule
    if (judged.isIgnored) return verdict('rule', folder)
    if (rules.maxFileSizeBytes > 0 && entry.sizeBytes > rules.maxFileSizeBytes) return verdict('size', folder)
    if (rules.oneFileSystem && entry.device !== parent.device) return verdict('device', folder)
  }
  return verdict(entry.type === '' ? 'type' : undefined, path)
}

function look(path: string): LocalEntry {
  try {
    return statLocal(path, basename(path))
  } catch (error) {
    const code = systemCode(error)
    throw new UsageError(`cannot look at ${path}: ${code === 'ENOENT' ? 'there is no such file or folder' : (code ?? String(error))}`)
  }
}

function found(folder: string, name: string): LocalEntry[] {
  try {
    return [statLocal(join(folder, name), name)]
  } catch {
    return []
  }
}

function extend(rules: Rules, folder: string, relative: string, defined: Policy['files'] | undefined, policyFolder: string): Rules {
  const dotFiles = defined ? (defined.ignoreDotFiles ?? []) : rules.dotFiles
  const placed: PlacedRule[] = (defined?.ignore ?? []).map((text) => ({ text, from: 'policy', place: policyFolder }))
  for (const name of dotFiles) {
    const text = readIgnoreFile(folder, found(folder, name), name)
    const place = join(folder, name)
    if (text !== undefined) placed.push(...ignoreLines(text).map((line) => ({ text: line, from: 'file' as const, place })))
  }
  const base = relative === '' ? '' : `/${relative}`
  const added = placed.flatMap((rule) => {
    const pattern = compilePattern(rule.text, base)
    return pattern ? [{ rule, pattern }] : []
  })
  return {
    list: [...rules.list, ...added],
    dotFiles,
    maxFileSizeBytes: defined?.maxFileSize || rules.maxFileSizeBytes,
    oneFileSystem: defined ? (defined.oneFileSystem ?? false) : rules.oneFileSystem,
  }
}

/** Rules from the top down; each can only turn what the ones before it have decided (spec 07, 7.2.3). */
function judge(
  { list }: Rules,
  path: string,
  isDirectory: boolean,
): { readonly isIgnored: boolean; readonly rule: PlacedRule | undefined } {
  const target = new MatchPath(path)
  let isIgnored = false
  let last: PlacedRule | undefined
  for (const { rule, pattern } of list) {
    if (pattern.negated !== isIgnored || (pattern.directoriesOnly && !isDirectory) || !pattern.matches(target)) continue
    isIgnored = !isIgnored
    last = rule
  }
  return { isIgnored, rule: last }
}
