import { createRequire } from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from './errors.ts'
import type { NativeAddon } from './native-addon.ts'

interface Loaded {
  readonly addon: NativeAddon | undefined
  /** Why the addon is not used; undefined when it is. */
  readonly whyNot: string | undefined
}

let loaded: Loaded | undefined

/** The native addon, or undefined where it is not built, does not load, or is switched off by KURA_NATIVE=0. Loaded once.
 *  KURA_NATIVE=1 makes its absence an error; an absolute path there is the addon to be used. */
export function nativeAddon(): NativeAddon | undefined {
  loaded ??= load()
  return loaded.addon
}

/** One line for diagnostics: why the twins are in use, or undefined when the addon is. */
export function whyNoNativeAddon(): string | undefined {
  loaded ??= load()
  return loaded.whyNot
}

function load(): Loaded {
  const force = process.env['KURA_NATIVE']
  if (force === '0') return { addon: undefined, whyNot: 'switched off by KURA_NATIVE=0' }
  const require = createRequire(import.meta.url)
  const here = dirname(fileURLToPath(import.meta.url))
  if (force !== undefined && isAbsolute(force)) return { addon: require(force) as NativeAddon, whyNot: undefined }
  const failures: string[] = []
  // Bundled, this module lies in dist/ (beside the addon); run from source, in src/base/.
  for (const path of [join(here, 'kura.node'), join(here, '../kura.node'), join(here, '../../dist/kura.node')]) {
    try {
      return { addon: require(path) as NativeAddon, whyNot: undefined }
    } catch (error) {
      failures.push(messageOf(error).split('\n')[0] as string)
    }
  }
  if (force === '1') throw new Error('KURA_NATIVE=1 but the native addon does not load. Run "npm run build:native".')
  return { addon: undefined, whyNot: failures.find((f) => !f.startsWith('Cannot find module')) ?? 'not built; run "npm run build:native"' }
}
