import { resolve } from 'node:path'
import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { printJson } from '#cli/print/json.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { LocalConfig } from '#repo/repository/local-config.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Finding } from '#snapshot/repair/finding.ts'
import { storageOf } from './repository/connect.ts'

/** One finding and what came of it. */
interface Told {
  readonly finding: Finding
  readonly done?: string
  readonly error?: string
}

type Look = () => Promise<readonly Finding[]>

/** "repair": looks, explains, and after a yes mends what can be mended. Not a command of Kopia. */
export const repair = defineCommand({
  args: [],
  flags: [
    { name: 'yes', short: 'y', type: 'bool', describe: 'Mend without asking' },
    { name: 'dry-run', short: 'n', type: 'bool', describe: 'Only look' },
    ...jsonFlags,
  ],
  async run(c, values) {
    const told: Told[] = []
    const copies = `${resolve(c.configFile)}.repair`
    const agree = agreement(c, values)
    const say = (line: string) => (values.json ? undefined : c.io.out(line))
    await mendAll(() => formatFindings(c, copies), agree, told, say)
    if (told.every(({ done }) => done !== undefined)) {
      const repository = await c.openDirect()
      const { lookAtRepository } = await import('#snapshot/repair/look.ts')
      await mendAll(() => lookAtRepository(repository, { copies, signal: c.stop }), canMend(repository, agree), told, say)
    }
    if (values.json) printJson(c.io, { findings: told.map(findingJson) }, values['json-indent'])
    const left = told.filter(({ done }) => done === undefined).length
    if (left > 0) throw new CommandError(`${left} of ${told.length} problems are left`)
    say(
      told.length === 0
        ? 'Nothing is wrong.'
        : 'All that was wrong is mended. "kura snapshot verify --verify-files-percent=100" reads everything.',
    )
  },
})

/** Asks once for each round whether to mend so many things. */
function agreement(c: CommandContext, values: { yes: boolean; 'dry-run': boolean; json: boolean }): (count: number) => Promise<boolean> {
  return async (count) => {
    if (values['dry-run']) return false
    if (values.yes) return true
    if (values.json || !c.io.inIsTerminal) {
      c.log.warning('Nothing is changed. Run again with --yes to mend what can be mended.')
      return false
    }
    return (await c.io.ask(`Mend ${count === 1 ? 'this' : `these ${count}`}? Type yes: `)).trim() === 'yes'
  }
}

const canMend = ({ client }: DirectRepository, agree: (count: number) => Promise<boolean>): ((count: number) => Promise<boolean>) =>
  client.readOnly ? async () => false : agree

/** Looks and mends until nothing new turns up: mended indexes may show files that are broken. */
async function mendAll(look: Look, agree: (count: number) => Promise<boolean>, told: Told[], say: (line: string) => void): Promise<void> {
  const seen = new Set<string>()
  for (;;) {
    const fresh = (await look()).filter(({ kind, subject }) => !seen.has(`${kind} ${subject}`))
    if (fresh.length === 0) return
    for (const finding of fresh) {
      seen.add(`${finding.kind} ${finding.subject}`)
      say(`${finding.subject}: ${finding.problem}`)
      say(`  ${finding.mend ? 'Can be mended' : 'Cannot be mended here'}: ${finding.remedy}`)
    }
    const mendable = fresh.filter(({ mend }) => mend).length
    const isAgreed = mendable > 0 && (await agree(mendable))
    for (const finding of fresh) told.push(isAgreed ? await mendOne(finding, say) : { finding })
    if (!isAgreed) return
  }
}

async function mendOne(finding: Finding, say: (line: string) => void): Promise<Told> {
  if (!finding.mend) return { finding }
  try {
    const done = await finding.mend()
    say(`${finding.subject}: ${done}`)
    return { finding, done }
  } catch (error) {
    say(`${finding.subject}: cannot be mended: ${messageOf(error)}`)
    return { finding, error: messageOf(error) }
  }
}

/** Runs `work` on the storage of the connection, which need not hold a repository that opens. */
async function onStorage<T>(c: CommandContext, work: (storage: BlobStorage, config: LocalConfig) => Promise<T>): Promise<T> {
  const { readLocalConfig } = await import('#repo/repository/local-config.ts')
  const config = await readLocalConfig(c.configFile, c.env)
  if (!config.storage) throw new CommandError('this command needs a direct connection to the storage, not one to a repository server')
  const storage = await storageOf(config.storage, false)
  try {
    return await work(storage, config)
  } finally {
    await storage.close()
  }
}

/** Without its format blob a repository does not open, so that is looked at first and in the storage itself. */
async function formatFindings(c: CommandContext, copies: string): Promise<readonly Finding[]> {
  const { lookAtFormatBlob } = await import('#snapshot/repair/format-blob.ts')
  const look = (storage: BlobStorage, { caching }: LocalConfig) =>
    lookAtFormatBlob(storage, { cacheDirectory: caching?.cacheDirectory || undefined, copies })
  const [found, isReadOnly] = await onStorage(c, async (storage, config) => [await look(storage, config), config.readOnly] as const)
  if (!found) return []
  const { mend, ...rest } = found
  if (!mend || isReadOnly) return [rest]
  // The storage is not kept open while a person thinks; somebody else may have been faster.
  const mendNow = () => onStorage(c, async (storage, config) => (await (await look(storage, config))?.mend?.()) ?? 'it is there again')
  return [{ ...rest, mend: mendNow }]
}

const findingJson = ({ finding: { kind, subject, problem, remedy, mend }, done, error }: Told) => ({
  kind,
  subject,
  problem,
  remedy,
  mendable: mend !== undefined,
  ...(done === undefined ? {} : { done }),
  ...(error === undefined ? {} : { error }),
})
