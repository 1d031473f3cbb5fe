import { CommandError } from '#cli/exit.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { printJson } from '#cli/print/json.ts'
import { areaArg, chosenArea, spoolFlag } from './areas.ts'

const shownPaths = 100
const shownErrors = 5

export const show = defineCommand({
  args: [areaArg],
  flags: [spoolFlag, { name: 'all', short: 'a', type: 'bool', describe: 'Every changed path, not only the first hundred' }, ...jsonFlags],
  async run(c, values) {
    const { directory, report, problem } = await chosenArea(values.area, values.spool)
    if (report === undefined) throw new CommandError(`${directory}: ${problem}`)
    const { readErrors } = await import('#mount/flush/error-log.ts')
    const errors = readErrors(directory)
    const paths = values.all ? report.changedPaths : report.changedPaths.slice(0, shownPaths)
    if (values.json)
      return printJson(c.io, { ...report, changedPaths: paths, errors: errors.map((e) => ({ ...e })) }, values['json-indent'])
    c.io.out(`Source:          ${report.source}`)
    c.io.out(`Folder:          ${directory}`)
    c.io.out(`Repository:      ${report.repositoryId}`)
    c.io.out(`Stands on:       ${report.lowerSnapshotId ?? 'no snapshot'}`)
    c.io.out(`Last flush:      ${report.lastFlushId || 'none'}`)
    c.io.out(`Not in snapshot: ${report.dirtyNodes} changes, ${c.sizes.bytes(report.dirtyBytes)}`)
    if (report.unreadableBytes > 0)
      c.io.out(`Damaged:         the last ${c.sizes.bytes(report.unreadableBytes)} of the journal cannot be read; the rest is used`)
    for (const { time, message } of errors.slice(-shownErrors)) c.io.out(`Error:           ${time} ${message}`)
    for (const path of paths) c.io.out(`  ${JSON.stringify(path).slice(1, -1)}`)
    if (paths.length < report.changedPaths.length) c.io.out(`  … and ${report.changedPaths.length - paths.length} more; --all shows them`)
  },
})
