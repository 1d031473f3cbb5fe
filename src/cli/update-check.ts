import { rmSync, writeFileSync } from 'node:fs'
import type { CommandContext } from './context.ts'

const pathOf = (configFile: string): string => `${configFile}.update-info.json`

/** Writes or removes the state of the update check after connecting. There is nothing else to it: no build of ours has a known place
 *  to look for updates. Source: spec 06, 4.6. */
export function noteUpdateCheck(c: CommandContext, wanted: boolean): void {
  if (!wanted) {
    rmSync(pathOf(c.configFile), { force: true })
    return
  }
  const delayMs = Number(c.globals['initial-update-check-delay'] / 1_000_000n)
  const at = new Date(Date.now() + delayMs).toISOString()
  writeFileSync(pathOf(c.configFile), JSON.stringify({ nextCheckTimestamp: at, nextNotifyTimestamp: at, availableVersion: '' }), {
    mode: 0o600,
  })
}
