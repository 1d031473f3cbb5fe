import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { createIn } from './create.ts'
import { createFlags } from './create-flags.ts'
import { fromConfigFlags, tokenOf } from './from-config.ts'

export const createFromConfig = defineCommand({
  // A file describes a repository that is there already: it is taken and not used, as Kopia does.
  flags: [...fromConfigFlags, ...createFlags],
  async run(c, values) {
    const token = await tokenOf(c, values)
    if (!token) throw new CommandError("can't connect to storage: one of --token-file, --token-stdin or --token must be provided")
    await createIn(c, token.storage, values)
  },
})
