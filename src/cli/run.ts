import { systemClock } from '#base/clock.ts'
import { UsageError } from '#base/errors.ts'
import { bindValues, isGiven, isUsed, type ParsedLine, parseLine } from './argv.ts'
import { type GlobalValues, openContext } from './context.ts'
import { CommandError, exitStatus, failureLine, usageLine } from './exit.ts'
import type { CommandIo } from './io.ts'
import type { ConsoleLogOptions, LogLevel } from './log.ts'
import { ConsoleLog, Log, type LogSink } from './log.ts'
import { openContentLogFile, openLogFile } from './log-file.ts'
import { isLeaf } from './node.ts'
import type { Observation } from './observe/observe.ts'
import { root } from './tree.ts'

/** Where a command line runs. */
export interface Host {
  readonly io: CommandIo
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Runs one command line and returns its exit status. Nothing is thrown: errors become lines on stderr. Source: spec 06, 2.3. */
export async function runLine(words: readonly string[], host: Host): Promise<number> {
  const line = await parseLine(words, root)
  try {
    if (await actAtOnce(line, words, host)) return exitStatus.success
    if (line.error) throw line.error
    if (words.length === 0 || isGiven(line, 'help') || isGiven(line, 'help-full')) {
      const { helpText } = await import('./help.ts')
      host.io.write(await helpText(line, host, { all: isGiven(line, 'help-full') }))
      return exitStatus.success
    }
    const values = bindValues(line, host.env)
    return await runCommand(line, values, host)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    host.io.err(`${usageLine(error.message)}\n`)
    return exitStatus.failure
  }
}

/** Flags and the command that win over errors further right. */
async function actAtOnce(line: ParsedLine, words: readonly string[], host: Host): Promise<boolean> {
  const { io } = host
  if (isGiven(line, 'version')) io.out((await import('./version.ts')).versionLine())
  else if (isGiven(line, 'help-long')) io.write(await (await import('./help.ts')).longHelp(host))
  else if (isGiven(line, 'help-man')) io.write(await (await import('./man-page.ts')).manPage(root))
  else if (isGiven(line, 'completion-script-bash')) io.write((await import('./completion.ts')).bashScript())
  else if (isGiven(line, 'completion-script-zsh')) io.write((await import('./completion.ts')).zshScript())
  else if (isGiven(line, 'completion-bash')) {
    const candidates = await (await import('./completion.ts')).complete(words.slice(words.indexOf('--completion-bash') + 1), host.env)
    io.write(candidates.join('\n'))
  } else if (line.path[0] === 'help') {
    const about = await parseLine(line.words, root)
    if (about.error) throw about.error
    io.write(await (await import('./help.ts')).helpText(about, host, { all: false }))
  } else return false
  return true
}

async function runCommand(line: ParsedLine, values: Readonly<Record<string, unknown>>, host: Host): Promise<number> {
  const log = openLog(line, values, host)
  const progress = isUsed(line, 'progress') ? values['progress'] === true : host.io.outIsTerminal
  const observation = await startObservation(line, values, log)
  // Who cleans logs up leaves none.
  const own = line.path.join(' ') === 'logs cleanup' ? { 'disable-repository-log': true } : {}
  const context = openContext(host, { ...values, progress, ...own }, log)
  const startNs = systemClock.nowNs()
  let status: number = exitStatus.success
  // The key is derived in the thread pool: whatever else is to be loaded waits until that has begun.
  if (isLeaf(line.at) && !line.at.standsAlone) await context.openAhead()
  try {
    const { dispatch } = await import('./dispatch.ts')
    await dispatch(root, line.path, context, values)
  } catch (error) {
    status = error instanceof CommandError ? error.status : exitStatus.failure
    const text = failureLine(error)
    if (text !== undefined) log.debug(`failed: ${text}`)
    if (text !== undefined) host.io.err(`${error instanceof UsageError && !context.wasOpened ? usageLine(text) : text}\n`)
    if (text !== undefined && context.wasOpened)
      await (await import('./notify.ts')).notifyOfFailure(context, { path: line.path, startNs, message: text })
  }
  try {
    await context.close()
  } catch (error) {
    if (status === exitStatus.success) status = exitStatus.failure
    host.io.err(`${failureLine(error)}\n`)
  }
  await observation?.end()
  log.close()
  return status
}

/** Flags without which nobody watches the command from outside. */
const observingFlags = ['metrics-listen-addr', 'metrics-push-addr', 'metrics-store-on-exit', 'profile-store-on-exit', 'profile-cpu']

async function startObservation(line: ParsedLine, values: Readonly<Record<string, unknown>>, log: Log): Promise<Observation | undefined> {
  if (!observingFlags.some((name) => values[name])) return undefined
  const { observe } = await import('./observe/observe.ts')
  return observe(line.path, values as unknown as GlobalValues, log)
}

function openLog(line: ParsedLine, values: Readonly<Record<string, unknown>>, host: Host): Log {
  const options: ConsoleLogOptions = {
    level: values['log-level'] as LogLevel,
    json: values['json-log-console'] === true,
    timestamps: values['console-timestamps'] === true,
  }
  const sinks: LogSink[] = [new ConsoleLog(host.io, options)]
  if (values['disable-file-logging'] !== true) {
    const file = openLogFile(line.path, values)
    if (file) sinks.push(file)
  }
  const log = new Log(sinks, openContentLogFile(line.path, values))
  log.debug(`command: ${line.path.join(' ')}`)
  return log
}
