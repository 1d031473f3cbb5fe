import { defineCommand } from '#cli/flag.ts'
import { connectTo } from './connect.ts'
import { connectionFlags } from './connection-flags.ts'
import { filesystemConnection, filesystemFlags } from './storage-flags.ts'

export const connectFilesystem = defineCommand({
  flags: [...filesystemFlags, ...connectionFlags],
  run: async (c, values) => connectTo(c, await filesystemConnection(values, 0), values),
})
