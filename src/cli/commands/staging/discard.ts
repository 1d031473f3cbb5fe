import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { areaArg, chosenArea, spoolFlag } from './areas.ts'

export const discard = defineCommand({
  args: [areaArg],
  flags: [spoolFlag, { name: 'yes', type: 'bool', describe: 'Do not ask' }],
  async run(c, values) {
    const { discardStaging } = await import('#mount/staging/inspect.ts')
    const { directory, report, problem } = await chosenArea(values.area, values.spool)
    if (report === undefined) c.log.warning(`${directory} cannot be read (${problem}): whatever was staged in it will be lost.`)
    else if (report.dirtyNodes === 0)
      c.log.info(`All that was staged for ${report.source} is in snapshot ${report.lowerSnapshotId ?? '-'}.`)
    else
      c.log.warning(
        `${report.dirtyNodes} changes of ${report.source}, ${c.sizes.bytes(report.dirtyBytes)}, are in no snapshot and will be lost:`,
      )
    const paths = report?.changedPaths ?? []
    for (const path of paths.slice(0, 10)) c.log.warning(`  ${JSON.stringify(path).slice(1, -1)}`)
    if (paths.length > 10) c.log.warning(`  … and ${paths.length - 10} more`)
    if (!values.yes) {
      if (!c.io.inIsTerminal) throw new CommandError('nothing was discarded; add --yes to do it')
      if ((await c.io.ask('Discard it? Type yes: ')).trim() !== 'yes') throw new CommandError('nothing was discarded')
    }
    discardStaging(directory)
    c.log.info(`Discarded ${directory}`)
  },
})
