import type { CommandContext } from '#cli/context.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { goDuration, wholeSeconds } from '#cli/print/duration.ts'
import { maintenanceSummary } from '#cli/print/maintenance-summary.ts'
import type { CycleParameters } from '#repo/maintenance/parameters.ts'

export const info = defineCommand({
  flags: jsonFlags,
  async run(c, values) {
    const [{ defaultParameters, parametersJson, readParameters }, { readSchedule, scheduleJson }, { maintenanceKey }] = await Promise.all([
      import('#repo/maintenance/parameters.ts'),
      import('#repo/maintenance/schedule.ts'),
      import('#repo/crypto/keys.ts'),
    ])
    const repository = await c.openDirect()
    const parameters = (await readParameters(repository.manifests)) ?? defaultParameters
    const schedule = await readSchedule(repository.blobs, maintenanceKey(repository.format, repository.formatKey))
    if (values.json) {
      const { printJson } = await import('#cli/print/json.ts')
      return printJson(c.io, { ...parametersJson(parameters), schedule: scheduleJson(schedule) }, values['json-indent'])
    }
    const { logRetention } = parameters
    const nowNs = repository.clock.nowNs()
    c.io.out(`Owner: ${parameters.owner}`)
    c.io.out('Quick Cycle:')
    printCycle(c, parameters.quick, schedule.nextQuickNs, nowNs)
    c.io.out('Full Cycle:')
    printCycle(c, parameters.full, schedule.nextFullNs, nowNs)
    c.io.out('Log Retention:')
    c.io.out(`  max count:       ${logRetention.maxCount}`)
    c.io.out(`  max age of logs: ${goDuration(logRetention.maxAgeNs)}`)
    c.io.out(`  max total size:  ${c.sizes.bytes(logRetention.maxTotalBytes)}`)
    c.io.out(`Object Lock Extension: ${parameters.extendObjectLocks ? 'enabled' : 'disabled'}`)
    if (parameters.listParallelism !== 0) c.io.out(`List parallelism: ${parameters.listParallelism}`)
    c.io.out('Recent Maintenance Runs:')
    for (const [task, runs] of Object.entries(schedule.runs)) {
      c.io.out(`  ${task}:`)
      for (const { startNs, endNs, success, error, extra } of runs) {
        const summary = maintenanceSummary(extra)
        const outcome = success ? `SUCCESS${summary === '' ? '' : `: ${summary}`}` : `ERROR: ${error}`
        c.io.out(`    ${c.times.seconds(startNs)} (${wholeSeconds(endNs - startNs)}) ${outcome}`)
      }
    }
  },
})

function printCycle(c: CommandContext, { enabled, intervalNs }: CycleParameters, nextNs: bigint, nowNs: bigint): void {
  c.io.out(`  scheduled: ${enabled}`)
  if (!enabled) return
  c.io.out(`  interval: ${goDuration(intervalNs)}`)
  c.io.out(`  next run: ${nextNs > nowNs ? `${c.times.seconds(nextNs)} (in ${wholeSeconds(nextNs - nowNs)})` : 'now'}`)
}
