import { nativeAddon, whyNoNativeAddon } from '#base/native.ts'
import { defineCommand } from '#cli/flag.ts'
import { versionLine } from '#cli/version.ts'

/** Says which code does the work here, and why. */
export const doctor = defineCommand({
  flags: [],
  async run(c) {
    c.io.out(versionLine())
    c.io.out(`Node.js ${process.versions.node} on ${process.platform} ${process.arch}`)
    const addon = nativeAddon()
    if (!addon) {
      c.io.out(`native addon: not used (${whyNoNativeAddon() ?? 'for no known reason'}); everything works, slower`)
      return
    }
    c.io.out(`native addon: used, code path ${addon.cpu} (this CPU allows ${addon.cpus.join(', ')})`)
    c.io.out(`hashes by the addon: ${addon.digests.join(', ')}`)
    c.io.out(
      addon.zstd ? 'zstd: by libzstd.so.1' : 'zstd: libzstd.so.1 is missing, so the package zstd-napi or Node.js does it, where they can',
    )
  },
})
