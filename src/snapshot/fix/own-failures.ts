import type { DirectoryEntry, DirectorySummary } from '#snapshot/model/directory-entry.ts'
import type { SummaryBuilder } from '#snapshot/upload/summary.ts'

/** Takes over what a directory's old summary says of its own entries that are missing, as distinct from those of the directories below it. */
export function addOwnFailures(builder: SummaryBuilder, old: DirectorySummary | undefined, oldEntries: readonly DirectoryEntry[]): void {
  if (!old || old.errors.length === 0) return
  let fatal = old.fatalErrorCount
  const below = new Set<string>()
  for (const { summary } of oldEntries) {
    fatal -= summary?.fatalErrorCount ?? 0
    for (const { path } of summary?.errors ?? []) below.add(path)
  }
  for (const failure of old.errors) if (!below.has(failure.path)) builder.addFailure(failure, fatal-- <= 0)
}
