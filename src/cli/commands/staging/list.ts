import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { JsonList } from '#cli/print/json.ts'
import { allAreas, spoolFlag } from './areas.ts'

export const list = defineCommand({
  flags: [spoolFlag, ...jsonFlags],
  async run(c, values) {
    const areas = await allAreas(values.spool)
    if (values.json) {
      const printed = new JsonList(c.io, values['json-indent'])
      for (const { directory, report, problem } of areas) {
        const { changedPaths: _, ...facts } = report ?? { directory, changedPaths: [] }
        printed.add({ ...facts, problem })
      }
      printed.end()
      return
    }
    for (const { directory, report, problem } of areas) {
      if (report === undefined) c.io.out(`${directory}  ${problem}`)
      else
        c.io.out(
          report.dirtyNodes === 0
            ? `${report.source}  all in snapshot ${report.lowerSnapshotId ?? '-'}  ${directory}`
            : `${report.source}  ${report.dirtyNodes} changes, ${c.sizes.bytes(report.dirtyBytes)} not in a snapshot  ${directory}`,
        )
    }
    if (areas.length === 0) c.log.info('Nothing is staged.')
  },
})
