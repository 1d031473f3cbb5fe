import { type Command, defineCommand } from '#cli/flag.ts'

export const copyHistoryCommand = historyCommand(false)
export const moveHistoryCommand = historyCommand(true)

const texts = { copy: 'copying', move: 'moving', skip: 'already there, skipping', 'delete original': 'already there, deleting' } as const

/** "snapshot copy-history" and "move-history" (spec 06, 8.3). */
function historyCommand(isMove: boolean): Command {
  return defineCommand({
    args: [
      { name: 'source', type: 'string', required: true },
      { name: 'destination', type: 'string' },
    ],
    flags: [{ name: 'dry-run', short: 'n', type: 'bool' }],
    async run(c, values) {
      const [{ copyHistory }, { formatSource, parseSource }] = await Promise.all([
        import('#snapshot/history.ts'),
        import('#snapshot/model/source-text.ts'),
      ])
      await c.write(async (repository) => {
        const defaults = { user: repository.client.username, host: repository.client.hostname }
        const from = parseSource(values.source, defaults)
        const to = values.destination ? parseSource(values.destination, defaults) : { ...defaults, path: '' }
        await copyHistory(repository, {
          from,
          to,
          isMove,
          isDryRun: values['dry-run'],
          onStep: (step, { source, startNs }, target) =>
            c.log.info(`${texts[step]} ${formatSource(source)} (${c.times.seconds(startNs)}) => ${formatSource(target)}`),
        })
      })
    },
  })
}
