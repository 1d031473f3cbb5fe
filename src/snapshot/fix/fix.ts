import type { Repository } from '#repo/repository/repository.ts'
import { encodeEntry } from '#snapshot/model/entry-json.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { groupBySource, updateSnapshot } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { formatSource } from '#snapshot/model/source-text.ts'
import { metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import { effectivePolicy } from '#snapshot/policy/store.ts'
import { type RewriteOptions, TreeRewriter } from './rewrite.ts'

export interface FixRequest extends Omit<RewriteOptions, 'metadataCompressor'> {
  readonly snapshots: readonly Snapshot[]
  /** Without it new trees are written, but no manifest is changed. */
  readonly commit: boolean
  readonly onSource?: (source: SourceInfo) => void
  /** `after` is `before` when nothing changed; without commit it has the old ID. */
  readonly onSnapshot?: (before: Snapshot, after: Snapshot) => void
}

/** Rewrites snapshots source by source, oldest first; returns how many differ. A changed snapshot gets a new ID and the old one is
 *  deleted. Throws TreeRewriteError. Source: spec 07, 7.7.3. */
export async function fixSnapshots(repository: Repository, request: FixRequest): Promise<number> {
  let fixed = 0
  for (const { source, snapshots } of groupBySource(request.snapshots)) {
    request.onSource?.(source)
    const { effective } = await effectivePolicy(repository, source)
    const rewriter = new TreeRewriter(repository, { ...request, metadataCompressor: metadataCompressorOf(effective) })
    for (const before of snapshots) {
      if (!before.rootEntry) continue
      const rootEntry = await rewriter.rewriteRoot(before.rootEntry, formatSource(source))
      let after = before
      if (encodeEntry(rootEntry) !== encodeEntry(before.rootEntry)) {
        fixed++
        after = { ...before, rootEntry }
        if (request.commit) after = { ...after, id: await updateSnapshot(repository, after) }
      }
      request.onSnapshot?.(before, after)
    }
  }
  return fixed
}
