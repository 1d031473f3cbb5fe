import { UsageError } from '#base/errors.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import { enterDirectory, type IgnoreContext, outermostContext, whyHidden } from '#snapshot/tree/ignore-rules.ts'
import { childPath, isCacheDirectory, type LocalEntry, readIgnoreFile, scanDirectory, statLocal } from '#snapshot/tree/local-tree.ts'

/** Files whose size is at least `minBytes` and below that of the bucket above. */
export interface SizeBucket {
  readonly minBytes: number
  count: number
  totalBytes: number
  /** `<path> - <size>` is made of these by the command line. */
  readonly examples: { readonly path: string; readonly sizeBytes: number }[]
}

export interface Estimate {
  /** Largest files first. */
  readonly included: SizeBucket[]
  readonly excluded: SizeBucket[]
  readonly excludedDirectories: string[]
  excludedDirectoryCount: number
  errorCount: number
  /** Totals of `included` and `excluded`. */
  includedCount: number
  includedBytes: number
  excludedCount: number
  excludedBytes: number
}

export interface EstimateOptions {
  readonly maxExamples: number
  readonly signal?: AbortSignal
  readonly onError?: (path: string, error: unknown) => void
  /** Called now and then while it counts. */
  readonly onProgress?: (estimate: Estimate) => void
}

const bucketLimits = [...Array.from({ length: 13 }, (_, i) => 10 ** (15 - i)), 0]

const newBuckets = (): SizeBucket[] => bucketLimits.map((minBytes) => ({ minBytes, count: 0, totalBytes: 0, examples: [] }))

const yieldEveryMs = 30

/** Counts what a snapshot of a local folder or file would hold, by the ignore rules of its policies. A folder that cannot be listed
 *  is counted as an error and left out. Source: spec 07, 7.7.2 and 7.1.15. */
export async function estimate(localPath: string, policies: PolicyTree, options: EstimateOptions): Promise<Estimate> {
  const result: Estimate = {
    included: newBuckets(),
    excluded: newBuckets(),
    excludedDirectories: [],
    excludedDirectoryCount: 0,
    errorCount: 0,
    includedCount: 0,
    includedBytes: 0,
    excludedCount: 0,
    excludedBytes: 0,
  }
  const root = statLocal(localPath, '')
  if (root.type === 'f') addFile(result, 'included', localPath, root.sizeBytes, options.maxExamples)
  else if (root.type === 'd') await walk(result, localPath, root, policies, options)
  else throw new UsageError(`${localPath} is neither a folder nor a regular file`)
  return result
}

interface Pending {
  readonly path: string | Buffer
  readonly relative: string
  readonly local: LocalEntry
  readonly policy: PolicyTree
  readonly parentRules: IgnoreContext
}

async function walk(result: Estimate, path: string, root: LocalEntry, policy: PolicyTree, options: EstimateOptions): Promise<void> {
  const stack: Pending[] = [{ path, relative: '', local: root, policy, parentRules: outermostContext }]
  let yieldedMs = performance.now()
  for (let next = stack.pop(); next; next = stack.pop()) {
    if (options.signal?.aborted) return
    try {
      for (const below of visit(result, next, options).reverse()) stack.push(below)
    } catch (error) {
      result.errorCount++
      options.onError?.(next.relative === '' ? '.' : next.relative, error)
    }
    if (performance.now() - yieldedMs > yieldEveryMs) {
      options.onProgress?.(result)
      await new Promise<void>((resolve) => setImmediate(resolve))
      yieldedMs = performance.now()
    }
  }
}

/** Counts the entries of one directory; returns the directories to visit below it. */
function visit(result: Estimate, d: Pending, { maxExamples, onError }: EstimateOptions): Pending[] {
  const files = d.policy.effective.files
  const entries = scanDirectory(d.path)
  if ((files.ignoreCacheDirs ?? true) && isCacheDirectory(d.path, entries)) {
    addExcluded(result, d.local, d.relative || '.', maxExamples)
    return []
  }
  const defined = d.policy.isDefined || d.relative === '' ? files : undefined
  const rules = enterDirectory(d.parentRules, d.relative === '' ? '' : `/${d.relative}`, defined, (name) =>
    readIgnoreFile(d.path, entries, name),
  )
  const below: Pending[] = []
  for (const entry of entries) {
    const relative = d.relative === '' ? entry.name : `${d.relative}/${entry.name}`
    const device = entry.isDenied ? d.local.device : entry.device
    const candidate = { isDirectory: entry.type === 'd', sizeBytes: entry.sizeBytes, device }
    const hidden = whyHidden(rules, `/${relative}`, candidate, d.local.device)
    if (hidden === 'rule') addExcluded(result, entry, relative, maxExamples)
    if (hidden !== undefined) continue
    if (entry.isDenied) {
      result.errorCount++
      onError?.(relative, entry.failure)
    } else if (entry.type === 'd')
      below.push({ path: childPath(d.path, entry), relative, local: entry, policy: d.policy.child(entry.name), parentRules: rules })
    else if (entry.type === 'f') addFile(result, 'included', relative, entry.sizeBytes, maxExamples)
  }
  return below
}

function addExcluded(result: Estimate, entry: LocalEntry, relative: string, maxExamples: number): void {
  if (entry.type !== 'd') {
    addFile(result, 'excluded', relative, entry.sizeBytes, maxExamples)
    return
  }
  result.excludedDirectoryCount++
  if (result.excludedDirectories.length < maxExamples) result.excludedDirectories.push(relative)
}

function addFile(result: Estimate, kind: 'included' | 'excluded', path: string, sizeBytes: number, maxExamples: number): void {
  const bucket = result[kind].find((b) => b.minBytes <= sizeBytes) as SizeBucket
  bucket.count++
  bucket.totalBytes += sizeBytes
  if (bucket.examples.length < maxExamples) bucket.examples.push({ path, sizeBytes })
  if (kind === 'included') {
    result.includedCount++
    result.includedBytes += sizeBytes
  } else {
    result.excludedCount++
    result.excludedBytes += sizeBytes
  }
}
