import { defineCommand } from '#cli/flag.ts'

/** `help [command…]` acts before the command line is checked; this only tells its arguments. */
export const help = defineCommand({
  args: [{ name: 'command', type: 'string', repeated: true }],
  run: async () => {},
})
