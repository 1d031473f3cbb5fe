import type { CommandContext } from '#cli/context.ts'
import { SilentFailure } from '#cli/exit.ts'
import { defineCommand, type Flag, jsonFlags } from '#cli/flag.ts'
import { printJson } from '#cli/print/json.ts'
import { ProgressLine } from '#cli/print/progress.ts'
import { programVersion } from '#cli/version.ts'
import type { FlushResult } from '#mount/flush/snapshot.ts'
import type { StagingReport } from '#mount/staging/inspect.ts'
import { allAreas, areaArg, readableArea, repositoryIdOf, spoolFlag } from './areas.ts'

const flushFlags = [
  spoolFlag,
  { name: 'rebase', type: 'bool', describe: 'Put the changes onto the newest snapshot of the source' },
  { name: 'takeover', type: 'bool', describe: 'Go on with changes of another machine or of other options' },
  { name: 'keep-rubbish', type: 'bool', describe: 'Keep what desktops and editors leave behind' },
] as const satisfies readonly Flag[]

interface Choices {
  readonly rebase: boolean
  readonly takeover: boolean
  readonly 'keep-rubbish': boolean
}

export const flush = defineCommand({
  args: [areaArg],
  flags: [...flushFlags, ...jsonFlags],
  async run(c, values) {
    const report = await readableArea(values.area, values.spool)
    const { snapshot, isIdentical, newBytes } = await flushArea(c, report, values)
    if (values.json)
      printJson(c.io, { source: report.source, snapshotId: snapshot.id, identical: isIdentical, newBytes }, values['json-indent'])
    else c.io.out(snapshot.id)
  },
})

export const drain = defineCommand({
  flags: flushFlags,
  async run(c, values) {
    const { discardStaging } = await import('#mount/staging/inspect.ts')
    const { messageOf } = await import('#base/errors.ts')
    let failed = 0
    for (const { directory, report, problem } of await allAreas(values.spool)) {
      try {
        if (report === undefined) throw new Error(problem)
        if (report.dirtyNodes > 0) c.io.out((await flushArea(c, report, values)).snapshot.id)
        discardIfFlushed(await readableArea(directory, values.spool), discardStaging)
      } catch (error) {
        failed++
        c.log.error(`${report?.source ?? directory} stays: ${messageOf(error)}`)
      }
    }
    if (failed > 0) throw new SilentFailure()
  },
})

function discardIfFlushed({ directory, dirtyNodes }: StagingReport, discard: (directory: string) => void): void {
  if (dirtyNodes > 0) throw new Error('something was changed meanwhile')
  discard(directory)
}

async function flushArea(c: CommandContext, report: StagingReport, values: Choices): Promise<FlushResult> {
  const { flushKept } = await import('#mount/flush/kept.ts')
  const repository = await c.open()
  const line = new ProgressLine(c.io, 200, () => performance.now())
  let files = 0
  let bytes = 0
  const progress = {
    file: (_path: string, sizeBytes: number): void => {
      files++
      bytes += sizeBytes
      if (c.showsProgress) line.draw(() => ` ${files} files, ${c.sizes.bytes(bytes)} of ${c.sizes.bytes(report.dirtyBytes)}`)
    },
  }
  const options = {
    repositoryId: repositoryIdOf(c, repository),
    rebase: values.rebase,
    takeOver: values.takeover,
    keepRubbish: values['keep-rubbish'],
    actions: { isEnabled: repository.client.enableActions, version: programVersion, environment: c.env },
    warn: (text: string) => c.log.warning(text),
  }
  const result = await flushKept(repository, report, options, progress, c.stop).finally(() => line.end())
  if (result.concurrentId !== undefined)
    c.log.warning(`${report.source} got the snapshot ${result.concurrentId} from elsewhere; what it holds is not in ours. Both stand.`)
  return result
}
