import type { CommandContext } from './context.ts'
import { SilentFailure } from './exit.ts'

/** Refuses to go on unless commands that can destroy data are enabled. Throws SilentFailure after saying so (spec 06, 4.5). */
export function requireDangerous(c: CommandContext): void {
  if (c.globals['dangerous-commands'] === 'enabled') return
  c.log.error(
    'This command can make data unreadable when it is used wrongly. To run it all the same add --dangerous-commands=enabled, or set KOPIA_DANGEROUS_COMMANDS=enabled.',
  )
  throw new SilentFailure()
}
