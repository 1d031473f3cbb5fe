import { goJson } from '#base/go-json.ts'
import type { ManifestStore } from '#repo/manifest/manifest.ts'

const labels = { type: 'maintenance' } as const

const hour = 3_600_000_000_000n

/** Stores the default maintenance parameters with `owner` (`user@host`) unless there are any; true when it did. The owner is the one client
 *  that runs maintenance. Source: spec 07, section 8 (parameters). */
export async function ensureMaintenanceOwner(manifests: ManifestStore, owner: string): Promise<boolean> {
  if ((await manifests.find(labels)).length > 0) return false
  const parameters = {
    owner,
    quick: { enabled: true, interval: hour },
    full: { enabled: true, interval: 24n * hour },
    logRetention: { maxTotalSize: 1 << 30, maxCount: 10_000, maxAge: 720n * hour },
    extendObjectLocks: false,
    listParallelism: 0,
  }
  await manifests.put(labels, goJson(parameters))
  return true
}
