import { statfs } from 'node:fs/promises'
import type { BlobStorage } from '#repo/blob/storage.ts'

// Magic numbers of file systems that lie behind a network or another process (statfs(2)).
const remoteTypes = new Set([0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x65735546, 0x5346414f, 0x00c36400, 0x01021997, 0x0bd00bd0])

/** Whether the storage is a folder on a disk of this machine, so that a cache on another disk of it gains nothing. */
export async function isLocalDisk(storage: BlobStorage): Promise<boolean> {
  if (storage.backend !== 'filesystem') return false
  const path = (storage.connection.config as { readonly path?: unknown } | undefined)?.path
  if (typeof path !== 'string') return false
  try {
    return !remoteTypes.has(Number((await statfs(path)).type) >>> 0)
  } catch {
    return false
  }
}
