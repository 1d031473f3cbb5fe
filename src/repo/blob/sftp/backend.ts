import { ShardedStorage } from '../sharded.ts'
import type { BackendType } from '../storage.ts'
import { patient } from '../wrap/patient.ts'
import { formatSftpOptions, parseSftpOptions, type SftpOptions } from './options.ts'
import { SftpTree } from './tree.ts'

/** Blobs as files below a folder of an SFTP server. Source: spec 04, 4.3.7. */
export const sftpBackend: BackendType<SftpOptions> = {
  name: 'sftp',
  parse: parseSftpOptions,
  async open(options, create) {
    const tree = new SftpTree(options)
    await patient('connecting', () => tree.open())
    const identity = {
      backend: 'sftp',
      displayName: `SFTP ${options.username}@${options.host}`,
      config: formatSftpOptions(options),
      ...(tree.hasCapacity ? { extras: { capacity: () => tree.capacity() } } : {}),
    }
    return new ShardedStorage(identity, tree, options, create)
  },
}
