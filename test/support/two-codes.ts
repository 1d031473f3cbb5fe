import { vi } from 'vitest'

/** Modules that open, write and read repositories, loaded anew. */
export interface RepositoryCode {
  readonly native: typeof import('#base/native.ts')
  readonly memory: typeof import('#repo/blob/memory.ts')
  readonly filesystem: typeof import('#repo/blob/filesystem.ts')
  readonly create: typeof import('#repo/repository/create.ts')
  readonly open: typeof import('#repo/repository/open.ts')
}

/** Runs `work` with modules that use the addon, or with others that use the twins. They are loaded anew: none that was loaded before may be
 *  used at the same time, since modules are loaded late here and there. */
export async function withCode<T>(kind: 'addon' | 'twins', work: (code: RepositoryCode) => Promise<T>): Promise<T> {
  const before = process.env['KURA_NATIVE']
  vi.resetModules()
  if (kind === 'twins') process.env['KURA_NATIVE'] = '0'
  try {
    const native = await import('#base/native.ts')
    if ((native.nativeAddon() !== undefined) !== (kind === 'addon'))
      throw new Error(`${kind}: ${native.whyNoNativeAddon() ?? 'there is an addon'}`)
    return await work({
      native,
      memory: await import('#repo/blob/memory.ts'),
      filesystem: await import('#repo/blob/filesystem.ts'),
      create: await import('#repo/repository/create.ts'),
      open: await import('#repo/repository/open.ts'),
    })
  } finally {
    if (before === undefined) delete process.env['KURA_NATIVE']
    else process.env['KURA_NATIVE'] = before
  }
}
