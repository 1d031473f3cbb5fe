import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { askForFlush, failedOutcomes } from '#cli/print/flush-outcome.ts'
import { MountBusyError } from '#fuse/errors.ts'

/** Spec 08, 4.7. */
const flushFailed = 3
const isBusy = 4

export const unmount = defineCommand({
  args: [{ name: 'mountPoint', type: 'string', repeated: true, required: true }],
  flags: [{ name: 'lazy', short: 'l', type: 'bool' }],
  async run(c, values) {
    const { mountPointPath, unmountAt } = await import('#mount/dead-mount.ts')
    for (const path of values.mountPoint) {
      try {
        const outcomes = await askForFlush(c, await mountPointPath(path), { do: 'unmount', lazy: values.lazy })
        if (outcomes === undefined) await unmountAt(path, { lazy: values.lazy })
        else if (failedOutcomes(outcomes) > 0)
          throw new CommandError(`${path} was unmounted, but not everything is in a snapshot; the next mount has it again`, {
            status: flushFailed,
          })
      } catch (error) {
        if (!(error instanceof MountBusyError)) throw error
        const { holdersOf, holdersText } = await import('#mount/holders.ts')
        throw new CommandError(`${error.message}${holdersText(holdersOf(await mountPointPath(path)))}`, { status: isBusy })
      }
    }
  },
})
