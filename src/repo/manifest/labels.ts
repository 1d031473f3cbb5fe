import type { Labels, ManifestInfo } from './manifest.ts'

/** Whether `labels` has all the pairs of `wanted`; others do not matter. */
export function hasLabels(labels: Labels, wanted: Labels): boolean {
  for (const [name, value] of Object.entries(wanted)) if (labels[name] !== value) return false
  return true
}

/** The latest of several manifests that should be one (spec 03, 4.2): later time or greater ID wins, in the order given. */
export function latestManifest<T extends ManifestInfo>(manifests: readonly T[]): T | undefined {
  let latest: T | undefined
  for (const m of manifests) if (!latest || m.modifiedNs > latest.modifiedNs || m.id > latest.id) latest = m
  return latest
}

/** The latest manifest for each value of a label, by time, then ID. */
export function latestPerLabel<T extends ManifestInfo>(manifests: readonly T[], label: string): T[] {
  const groups = new Map<string, T[]>()
  for (const m of manifests) {
    const value = m.labels[label] ?? ''
    const group = groups.get(value)
    if (group) group.push(m)
    else groups.set(value, [m])
  }
  return [...groups.values()].map((group) => latestManifest(group) as T).sort(byTimeThenId)
}

export const byTimeThenId = (a: ManifestInfo, b: ManifestInfo): number =>
  a.modifiedNs !== b.modifiedNs ? (a.modifiedNs < b.modifiedNs ? -1 : 1) : a.id < b.id ? -1 : a.id > b.id ? 1 : 0
