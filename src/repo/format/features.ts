import { RequiredFeatureError } from './errors.ts'
import type { RequiredFeature } from './repository-format.ts'

/** Features of spec 01, 1.13. */
export const supportedFeatures: readonly string[] = ['index-v1', 'index-v2']

/** Returns the warnings for features that are not supported; throws RequiredFeatureError for the first that must be (spec 01, 1.13). */
export function checkRequiredFeatures(features: readonly RequiredFeature[]): string[] {
  const warnings: string[] = []
  for (const feature of features) {
    if (supportedFeatures.includes(feature.feature)) continue
    const message = featureMessage(feature)
    if (!feature.warn) throw new RequiredFeatureError(message)
    warnings.push(message)
  }
  return warnings
}

function featureMessage(f: RequiredFeature): string {
  const lines = [`This version of Kopia does not support feature '${f.feature}'.`]
  if (f.message) lines.push(f.message)
  if (f.url) lines.push(`See: ${f.url}`)
  if (f.upgradeToVersion) lines.push(`Please upgrade to version ${f.upgradeToVersion} or newer.`)
  return lines.join('\n')
}
