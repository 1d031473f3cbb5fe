import { UsageError } from '#base/errors.ts'
import { asObject, JsonShapeError, memberOf, stringOf } from '#base/json-read.ts'
import type { BackendType, BlobStorage } from './storage.ts'

/** Where a repository's blobs are: `storage` of the configuration file (spec 04, 4.1.6). */
export interface ConnectionInfo {
  readonly type: string
  readonly config: unknown
}

/** Hides the type of the options between parse and open, so that backends of all kinds fit one table. */
interface Backend {
  open(config: unknown, create: boolean): Promise<BlobStorage>
  check(config: unknown): void
}

const backend = <Options>(type: BackendType<Options>): Backend => ({
  open: (config, create) => type.open(type.parse(config), create),
  check: (config) => void type.parse(config),
})

/** Storage types by the name in ConnectionInfo; each module is loaded on use. */
const backends: Readonly<Record<string, () => Promise<Backend>>> = {
  filesystem: async () => backend((await import('./filesystem.ts')).filesystemBackend),
  azureBlob: async () => backend((await import('./azure/azure.ts')).azureBackend),
  b2: async () => backend((await import('./b2/b2.ts')).b2Backend),
  gcs: async () => backend((await import('./google/gcs.ts')).gcsBackend),
  gdrive: async () => backend((await import('./google/gdrive.ts')).gdriveBackend),
  s3: async () => backend((await import('./s3/s3.ts')).s3Backend),
  rclone: async () => backend((await import('./rclone/backend.ts')).rcloneBackend),
  webdav: async () => backend((await import('./webdav/backend.ts')).webdavBackend),
  sftp: async () => backend((await import('./sftp/backend.ts')).sftpBackend),
}

async function find(type: string): Promise<Backend> {
  const load = Object.hasOwn(backends, type) ? backends[type] : undefined
  if (!load) throw new UsageError(`unknown storage type "${type}". Known types: ${Object.keys(backends).join(', ')}.`)
  return load()
}

/** Checks the shape of a ConnectionInfo from outside (without opening anything). Throws UsageError: unknown type, missing or bad config. */
export async function parseConnectionInfo(json: unknown): Promise<ConnectionInfo> {
  try {
    const object = asObject(json, 'the storage connection')
    const config = memberOf(object, 'config')
    const type = stringOf(object, 'type', 'the storage connection')
    const found = await find(type)
    if (config === undefined) throw new UsageError(`the connection of the ${type} storage has no "config"`)
    found.check(config)
    return { type, config }
  } catch (error) {
    if (error instanceof JsonShapeError) throw new UsageError(error.message, { cause: error })
    throw error
  }
}

/** Opens the storage that a ConnectionInfo names, without wrappers. `create`: make the place if it is missing. Throws UsageError for an
 *  unknown type or a bad config, StorageError when it cannot be reached. */
export async function openStorage(connection: ConnectionInfo, create: boolean): Promise<BlobStorage> {
  return (await find(connection.type)).open(connection.config, create)
}
