import { SilentFailure } from '#cli/exit.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { printJson } from '#cli/print/json.ts'
import { areaArg, readableArea, repositoryIdOf, spoolFlag } from './areas.ts'

export const exportArea = defineCommand({
  args: [{ name: 'target', type: 'string', required: true }, areaArg],
  flags: [spoolFlag, ...jsonFlags],
  async run(c, values) {
    const [{ openKept }, { exportStaging }] = await Promise.all([import('#mount/flush/kept.ts'), import('#mount/flush/export.ts')])
    const report = await readableArea(values.area, values.spool)
    const repository = await c.open()
    const warn = (line: string): void => c.log.warning(line)
    // Nothing is taken away from anybody: only the lock must be free.
    const staging = await openKept(repository, report, { repositoryId: repositoryIdOf(c, repository), takeOver: true, warn })
    const result = await exportStaging(staging, values.target).finally(() => staging.close())
    for (const { path, message } of result.failures) c.log.error(`${path}: ${message}`)
    const { files, bytes, unchanged, failures } = result
    if (values.json) printJson(c.io, { files, bytes, unchanged, failures: failures.map((f) => ({ ...f })) }, values['json-indent'])
    else c.log.info(`Exported ${files} files, ${c.sizes.bytes(bytes)}, to ${values.target}`)
    if (unchanged > 0) c.log.info(`${unchanged} entries were taken over from a snapshot as they are; they are not in ${values.target}.`)
    if (failures.length > 0) throw new SilentFailure()
  },
})
