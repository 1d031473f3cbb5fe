import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { defineCommand } from '#cli/flag.ts'
import { cachingOf } from './info.ts'

/** All that is ever put into a cache directory; nothing else in it is ours to delete. */
const ownEntries = new Set([
  'contents',
  'indexes',
  'index-blobs',
  'metadata',
  'own-writes',
  'blob-list',
  'server-contents',
  'kopia.repository',
  'kopia.blobcfg',
  'CACHEDIR.TAG',
])

export const clear = defineCommand({
  flags: [{ name: 'partial', type: 'enum', values: ['contents', 'indexes', 'metadata', 'own-writes', 'blob-list'] }],
  async run(c, values) {
    const { cacheDirectory } = await cachingOf(c)
    const part = values.partial
    c.log.info(`Clearing cache directory: ${part ? join(cacheDirectory, part) : cacheDirectory}.`)
    if (part) rmSync(join(cacheDirectory, part), { recursive: true, force: true })
    else {
      mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 })
      for (const name of readdirSync(cacheDirectory))
        if (ownEntries.has(name)) rmSync(join(cacheDirectory, name), { recursive: true, force: true })
    }
    mkdirSync(part ? join(cacheDirectory, part) : cacheDirectory, { recursive: true, mode: 0o700 })
  },
})
