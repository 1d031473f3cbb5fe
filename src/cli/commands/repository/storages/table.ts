import type { Command } from '#cli/flag.ts'
import type { Leaf } from '#cli/node.ts'
import type { StorageProvider } from './provider.ts'

interface StorageKind {
  readonly describe: string
  readonly load: () => Promise<StorageProvider>
}

/** Storages by their name on the command line; one module each, loaded on use. */
const kinds: Readonly<Record<string, StorageKind>> = {
  filesystem: { describe: 'In a folder', load: async () => (await import('./filesystem.ts')).filesystemStorage },
  s3: { describe: 'In an S3 bucket, of Amazon or others', load: async () => (await import('./s3.ts')).s3Storage },
  azure: { describe: 'In a container of Azure Blob Storage', load: async () => (await import('./azure.ts')).azureStorage },
  gcs: { describe: 'In a bucket of Google Cloud Storage', load: async () => (await import('./gcs.ts')).gcsStorage },
  b2: { describe: 'In a bucket of Backblaze B2', load: async () => (await import('./b2.ts')).b2Storage },
  rclone: { describe: 'In whatever rclone reaches', load: async () => (await import('./rclone.ts')).rcloneStorage },
  webdav: { describe: 'In a folder of a WebDAV server', load: async () => (await import('./webdav.ts')).webdavStorage },
  sftp: { describe: 'In a folder of an SSH server', load: async () => (await import('./sftp.ts')).sftpStorage },
  gdrive: { describe: 'In a folder of Google Drive', load: async () => (await import('./gdrive.ts')).gdriveStorage },
}

/** One command per kind of storage, made by the same function. `standsAlone` as in Leaf. */
export function storageLeaves(
  load: () => Promise<(provider: StorageProvider) => Command>,
  standsAlone = true,
): Readonly<Record<string, Leaf>> {
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [
      name,
      {
        describe: kind.describe,
        standsAlone,
        load: async () => {
          const [make, provider] = await Promise.all([load(), kind.load()])
          return make(provider)
        },
      },
    ]),
  )
}

/** The same, and one more for the storage that a token or a configuration file names. */
export const storageOrConfigLeaves = (
  load: () => Promise<(provider: StorageProvider) => Command>,
  standsAlone = true,
): Readonly<Record<string, Leaf>> => ({
  ...storageLeaves(load, standsAlone),
  'from-config': {
    describe: 'What a token or a configuration file names',
    standsAlone,
    load: async () => {
      const [make, { fromConfigStorage }] = await Promise.all([load(), import('../from-config.ts')])
      return make(fromConfigStorage)
    },
  },
})
