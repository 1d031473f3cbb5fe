import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import { guarded } from '#repo/blob/wrap/guard.ts'
import { logged } from '#repo/blob/wrap/log.ts'
import { retained } from '#repo/blob/wrap/retention.ts'
import { retrying } from '#repo/blob/wrap/retry.ts'
import { conformance } from '../../support/blob-conformance.ts'
import { scratchFolders } from '../../support/scratch.ts'

const scratch = scratchFolders()
const folder = (dirShards: number[] | null, create: boolean) => () =>
  filesystemBackend.open(filesystemOptions(scratch(), { dirShards }), create)

conformance('memory', async () => memoryStorage())
conformance('filesystem, new layout', folder(null, true))
conformance('filesystem, old layout', folder(null, false))
conformance('filesystem, flat', folder([], true))
conformance('filesystem, deep', folder([1, 1, 2, 2], true))
conformance('retrying', async () => retrying()(memoryStorage()))
conformance('retained, retention off', async () => retained(() => undefined)(memoryStorage()))
conformance('logged', async () => logged(() => undefined)(memoryStorage()))
conformance('guarded', async () => guarded(() => Promise.resolve())(memoryStorage()))
conformance('all wrappers around a folder', async () =>
  guarded(() => undefined)(logged(() => undefined)(retained(() => undefined)(retrying()(await folder(null, true)())))),
)
