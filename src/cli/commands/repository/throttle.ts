import { UsageError } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, type Flag, jsonFlags } from '#cli/flag.ts'
import { printJson } from '#cli/print/json.ts'
import type { ThrottlingLimits } from '#repo/blob/wrap/throttle.ts'
import type { LocalConfig } from '#repo/repository/local-config.ts'

const setFlags = [
  { name: 'download-bytes-per-second', type: 'string', describe: 'Limit of the download speed, or "unlimited"' },
  { name: 'upload-bytes-per-second', type: 'string', describe: 'Limit of the upload speed, or "unlimited"' },
  { name: 'read-requests-per-second', type: 'string', describe: 'Limit of reads, or "unlimited"' },
  { name: 'write-requests-per-second', type: 'string', describe: 'Limit of writes, or "unlimited"' },
  { name: 'list-requests-per-second', type: 'string', describe: 'Limit of lists, or "unlimited"' },
  { name: 'concurrent-reads', type: 'string', describe: 'Limit of reads at once, or "unlimited"' },
  { name: 'concurrent-writes', type: 'string', describe: 'Limit of writes at once, or "unlimited"' },
] as const satisfies readonly Flag[]

type Key = keyof ThrottlingLimits

type FlagName = (typeof setFlags)[number]['name']

interface Limit {
  readonly key: Key
  readonly flag: FlagName
  readonly label: string
  readonly kind: 'speed' | 'rate' | 'count'
}

/** In the order in which they are shown (spec 06, 11.4). */
const limits: readonly Limit[] = [
  { key: 'maxDownloadSpeedBytesPerSecond', flag: 'download-bytes-per-second', label: 'Max Download Speed', kind: 'speed' },
  { key: 'maxUploadSpeedBytesPerSecond', flag: 'upload-bytes-per-second', label: 'Max Upload Speed', kind: 'speed' },
  { key: 'readsPerSecond', flag: 'read-requests-per-second', label: 'Max Read Requests Per Second', kind: 'rate' },
  { key: 'writesPerSecond', flag: 'write-requests-per-second', label: 'Max Write Requests Per Second', kind: 'rate' },
  { key: 'listsPerSecond', flag: 'list-requests-per-second', label: 'Max List Requests Per Second', kind: 'rate' },
  { key: 'concurrentReads', flag: 'concurrent-reads', label: 'Max Concurrent Reads', kind: 'count' },
  { key: 'concurrentWrites', flag: 'concurrent-writes', label: 'Max Concurrent Writes', kind: 'count' },
]
const jsonOrder: readonly Key[] = [
  'readsPerSecond',
  'writesPerSecond',
  'listsPerSecond',
  'maxUploadSpeedBytesPerSecond',
  'maxDownloadSpeedBytesPerSecond',
  'concurrentReads',
  'concurrentWrites',
]
const labelWidth = 30

async function connected(c: CommandContext): Promise<{ readonly config: LocalConfig; readonly limits: ThrottlingLimits }> {
  const [{ readLocalConfig }, { throttlingOf }] = await Promise.all([
    import('#repo/repository/local-config.ts'),
    import('#repo/repository/limits-watch.ts'),
  ])
  const config = await readLocalConfig(c.configFile, {})
  if (!config.storage) throw new CommandError('the connection is to a repository server: use "server throttle"')
  return { config, limits: throttlingOf(config) }
}

export const throttleGet = defineCommand({
  flags: jsonFlags,
  async run(c, values) {
    const now = (await connected(c)).limits
    if (values.json) return printJson(c.io, jsonOf(now), values['json-indent'])
    for (const limit of limits) c.io.out(`${`${limit.label}:`.padEnd(labelWidth)} ${shown(c, limit, now[limit.key])}`)
  },
})

const jsonOf = (now: ThrottlingLimits): Record<string, number> =>
  Object.fromEntries(jsonOrder.flatMap((key) => (now[key] > 0 ? [[key, now[key]]] : [])))

function shown(c: CommandContext, { kind }: Limit, value: number): string {
  if (value === 0) return '(unlimited)'
  return kind === 'speed' ? c.sizes.speed(value) : value.toFixed(0)
}

export const throttleSet = defineCommand({
  flags: setFlags,
  async run(c, values) {
    const { config, limits: now } = await connected(c)
    const changes: Partial<Record<Key, number>> = {}
    for (const limit of limits) {
      const text = values[limit.flag]
      if (text) changes[limit.key] = parseLimit(limit, text)
    }
    for (const limit of limits) {
      const value = changes[limit.key]
      if (value !== undefined) c.log.info(`Setting ${limit.label.replace('Max', 'max').toLowerCase()} to ${shown(c, limit, value)}.`)
    }
    if (Object.keys(changes).length === 0) return c.log.info('No changes.')
    const { writeLocalConfig } = await import('#repo/repository/local-config.ts')
    await writeLocalConfig(c.configFile, { ...config, throttlingLimits: jsonOf({ ...now, ...changes }) })
  },
})

function parseLimit({ flag, kind }: Limit, text: string): number {
  if (text === 'unlimited' || text === '-') return 0
  const value = Number(text)
  const isNumber = kind === 'count' ? /^[+-]?\d+$/.test(text) : text.trim() !== '' && Number.isFinite(value)
  if (!isNumber) throw new UsageError(`--${flag} needs ${kind === 'count' ? 'a whole number' : 'a number'} or "unlimited", not "${text}"`)
  if (value < 0) throw new UsageError(`--${flag} must not be negative`)
  return value
}
