import type { ManifestStore } from '#repo/manifest/manifest.ts'
import { defaultParameters, readParameters, writeParameters } from './parameters.ts'

/** Stores the default maintenance parameters with `owner` (`user@host`) unless there are any; true when it did. The owner is the one client
 *  that runs maintenance. Source: spec 07, 7.6.1. */
export async function ensureMaintenanceOwner(manifests: ManifestStore, owner: string): Promise<boolean> {
  if ((await readParameters(manifests)) !== undefined) return false
  await writeParameters(manifests, { ...defaultParameters, owner })
  return true
}
