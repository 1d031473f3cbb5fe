import { defineCommand } from '#cli/flag.ts'
import { createIn } from './create.ts'
import { createFlags } from './create-flags.ts'
import { filesystemConnection, filesystemFlags } from './storage-flags.ts'

export const createFilesystem = defineCommand({
  flags: [...filesystemFlags, ...createFlags],
  run: async (c, values) => createIn(c, await filesystemConnection(values, values['format-version'] ?? 0), values),
})
