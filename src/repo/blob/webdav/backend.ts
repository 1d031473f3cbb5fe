import { ShardedStorage } from '../sharded.ts'
import type { BackendType } from '../storage.ts'
import { formatWebdavOptions, parseWebdavOptions, type WebdavOptions } from './options.ts'
import { WebdavTree } from './tree.ts'

/** Blobs as files below a URL of a WebDAV server. Source: spec 04, 4.3.8. */
export const webdavBackend: BackendType<WebdavOptions> = {
  name: 'webdav',
  parse: parseWebdavOptions,
  async open(options, create) {
    const tree = new WebdavTree(options)
    if (create) await tree.makeRoot()
    const identity = { backend: 'webdav', displayName: `WebDAV: ${options.url}`, config: formatWebdavOptions(options) }
    return new ShardedStorage(identity, tree, options, create)
  },
}
