import { createRequire } from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from './errors.ts'
import { addonVersion, type NativeAddon, nativeMembers } from './native-addon.ts'

interface Loaded {
  readonly addon: NativeAddon | undefined
  /** Why the addon is not used; undefined when it is. */
  readonly whyNot: string | undefined
}

let loaded: Loaded | undefined

/** The native addon, or undefined where it is not built, does not load, is of another version, or is switched off by KURA_NATIVE=0. Loaded
 *  once. KURA_NATIVE=1 makes its absence an error; an absolute path there is the addon to be used. */
export function nativeAddon(): NativeAddon | undefined {
  loaded ??= load()
  return loaded.addon
}

/** One line for diagnostics: why the twins are in use, or undefined when the addon is. */
export function whyNoNativeAddon(): string | undefined {
  loaded ??= load()
  return loaded.whyNot
}

/** Why what a file exports cannot be used as the addon of this program; undefined when it can. An addon that was left from an earlier build
 *  would fail at some later call, or worse, do something else than is asked of it. */
export function whyUnfit(exported: object): string | undefined {
  const has = exported as Readonly<Record<string, unknown>>
  const rebuild = 'run "npm run build:native"'
  if (has['version'] !== addonVersion)
    return `it is version ${String(has['version'] ?? 'none')} and this program needs version ${addonVersion}; ${rebuild}`
  const lacking = Object.entries(nativeMembers).filter(([name, type]) => type !== 'optional' && typeof has[name] !== type)
  return lacking.length > 0 ? `it has no ${lacking.map(([name]) => name).join(', ')}, which this program needs; ${rebuild}` : undefined
}

function load(): Loaded {
  const force = process.env['KURA_NATIVE']
  if (force === '0') return { addon: undefined, whyNot: 'switched off by KURA_NATIVE=0' }
  const here = dirname(fileURLToPath(import.meta.url))
  const isPath = force !== undefined && isAbsolute(force)
  // Bundled, this module lies in dist/ (beside the addon); run from source, in src/base/.
  const paths = isPath ? [force] : [join(here, 'kura.node'), join(here, '../kura.node'), join(here, '../../dist/kura.node')]
  const failures: string[] = []
  for (const path of paths) {
    try {
      const exported = createRequire(import.meta.url)(path) as object
      const unfit = whyUnfit(exported)
      if (unfit === undefined) return { addon: exported as NativeAddon, whyNot: undefined }
      failures.push(`${path} is not used: ${unfit}`)
    } catch (error) {
      failures.push(messageOf(error).split('\n')[0] as string)
    }
  }
  const whyNot = failures.find((f) => !f.startsWith('Cannot find module'))
  if (force === '1' || isPath)
    throw new Error(`KURA_NATIVE=${force} but the native addon does not load: ${whyNot ?? 'it is not built'}. Run "npm run build:native".`)
  return { addon: undefined, whyNot: whyNot ?? 'not built; run "npm run build:native"' }
}
