import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import type { Flag } from '#cli/flag.ts'
import type { StagingReport } from '#mount/staging/inspect.ts'
import { isDirect, type Repository } from '#repo/repository/repository.ts'

export const spoolFlag = {
  name: 'spool',
  type: 'string',
  placeholder: 'DIR',
  describe: 'Where the mount keeps changes, if not in the usual place',
} as const satisfies Flag

export const areaArg = { name: 'area', type: 'string' } as const

/** An area that cannot be read is listed too. */
export interface FoundArea {
  readonly directory: string
  readonly report?: StagingReport
  readonly problem?: string
}

/** All staging areas in the spool folder. */
export async function allAreas(spool: string | undefined): Promise<FoundArea[]> {
  const [{ inspectStaging, listStagings }, { defaultSpoolDirectory }, { messageOf }] = await Promise.all([
    import('#mount/staging/inspect.ts'),
    import('#mount/backup/open-overlay.ts'),
    import('#base/errors.ts'),
  ])
  return listStagings(spool ?? defaultSpoolDirectory()).map((directory) => {
    try {
      return { directory, report: inspectStaging(directory) }
    } catch (error) {
      return { directory, problem: messageOf(error) }
    }
  })
}

const matches = ({ directory, report }: FoundArea, wanted: string): boolean =>
  directory === wanted || report?.source === wanted || directory.split('/').at(-1)?.startsWith(wanted) === true

/** The one area that a folder, the start of a folder's name, or a source (user@host:path) names; without a name the only one.
 *  CommandError when there is none or there are several. */
export async function chosenArea(wanted: string | undefined, spool: string | undefined): Promise<FoundArea> {
  const all = await allAreas(spool)
  const found = wanted === undefined ? all : all.filter((area) => matches(area, wanted))
  const [first, second] = found
  if (first === undefined) throw new CommandError(wanted === undefined ? 'nothing is staged' : `no staging area is called ${wanted}`)
  if (second !== undefined) throw new CommandError('there are several staging areas; name one by its source (see "kura staging list")')
  return first
}

/** The same, of areas that can be read. */
export async function readableArea(wanted: string | undefined, spool: string | undefined): Promise<StagingReport> {
  const { report, problem } = await chosenArea(wanted, spool)
  if (report === undefined) throw new CommandError(problem as string)
  return report
}

/** What the mount ties staged changes to. */
export const repositoryIdOf = (c: CommandContext, repository: Repository): string =>
  isDirect(repository) ? repository.uniqueId.toString('hex') : c.configFile
