import { UsageError } from '#base/errors.ts'
import { expandHome } from '#base/paths.ts'
import { defineStorage } from './provider.ts'

/** A folder. Text that is no number is ignored in the four numeric flags (spec 06, 11.1). */
export const filesystemStorage = defineStorage({
  type: 'filesystem',
  flags: [
    { name: 'path', type: 'string', required: true },
    { name: 'owner-uid', type: 'string', placeholder: 'USER' },
    { name: 'owner-gid', type: 'string', placeholder: 'GROUP' },
    { name: 'file-mode', type: 'string', placeholder: 'MODE' },
    { name: 'dir-mode', type: 'string', placeholder: 'MODE' },
    { name: 'flat', type: 'bool' },
    { name: 'list-parallelism', type: 'int', hidden: true },
  ],
  async config(values, { formatVersion }) {
    const { filesystemOptions, formatFilesystemOptions } = await import('#repo/blob/filesystem-options.ts')
    const path = expandHome(values.path)
    if (!path.startsWith('/')) throw new UsageError('filesystem repository path must be absolute')
    const options = filesystemOptions(path.length > 1 ? path.replace(/\/+$/, '') : path, {
      fileMode: octal(values['file-mode'], 0o600),
      dirMode: octal(values['dir-mode'], 0o700),
      uid: decimal(values['owner-uid']),
      gid: decimal(values['owner-gid']),
      dirShards: values.flat ? [] : formatVersion === 1 ? [3, 3] : null,
      listParallelism: values['list-parallelism'] ?? 0,
    })
    return formatFilesystemOptions(options)
  },
})

const octal = (text: string | undefined, otherwise: number): number =>
  text !== undefined && /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : otherwise
const decimal = (text: string | undefined): number | undefined => (text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined)
