import { configFilePath } from '#base/paths.ts'
import { processMetrics } from '#repo/blob/wrap/metrics.ts'
import { type DirectRepository, isDirect, type Repository } from '#repo/repository/repository.ts'
import { openConnected } from './connection.ts'
import { CommandError } from './exit.ts'
import type { ValuesOf } from './flag.ts'
import type { globalFlags } from './global-flags.ts'
import type { CommandIo } from './io.ts'
import type { Log } from './log.ts'
import { Painter } from './print/colors.ts'
import { SizePrinter } from './print/sizes.ts'
import { TimePrinter } from './print/times.ts'
import { zoneOf } from './print/zone.ts'
import type { Host } from './run.ts'
import { parseBool } from './values.ts'

export type GlobalValues = ValuesOf<(typeof globalFlags)[number]>

/** What a command gets: streams, settings, and the repository when it asks for it. */
export interface CommandContext {
  readonly io: CommandIo
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly globals: GlobalValues
  /** Of the configuration file, as it is used for every path next to it. */
  readonly configFile: string
  readonly sizes: SizePrinter
  readonly times: TimePrinter
  readonly paint: Painter
  /** Whether progress lines are wanted. */
  readonly showsProgress: boolean
  /** Fires on SIGINT and SIGTERM. Only a command that looks at it survives them. */
  readonly stop: AbortSignal
  /** Whether a repository was asked for: errors before that are about the command line. */
  readonly wasOpened: boolean
  /** Begins to open the repository for a command that will want it soon: deriving the key takes longer than all else. Resolves when that
   *  is under way, or when there is nothing to derive. */
  openAhead(): Promise<void>
  /** Opens the connected repository, once. Its errors start with "open repository: ". */
  open(): Promise<Repository>
  /** The same for commands that need the storage itself; a server connection is an error. */
  openDirect(): Promise<DirectRepository>
  /** Opens, lets `work` write, and flushes; nothing is flushed when it throws (spec 06, 4.1). */
  write<R>(work: (repository: Repository) => Promise<R>): Promise<R>
  close(): Promise<void>
}

/** Context over the streams and environment of `host`, with the values of the global flags. */
export function openContext(host: Host, values: Readonly<Record<string, unknown>>, log: Log): CommandContext {
  return new Context(host, values, log)
}

class Context implements CommandContext {
  readonly io: CommandIo
  readonly env: Host['env']
  readonly globals: GlobalValues
  readonly configFile: string
  readonly sizes: SizePrinter
  readonly times: TimePrinter
  readonly paint: Painter
  readonly showsProgress: boolean
  #repository: Promise<Repository> | undefined
  #wasAskedFor = false
  #stop: AbortController | undefined
  readonly #onSignal = () => {
    // Only the first is handled: who presses Ctrl-C twice does not want to wait.
    this.#ignoreSignals()
    this.#stop?.abort()
  }

  constructor(
    readonly host: Host,
    values: Readonly<Record<string, unknown>>,
    readonly log: Log,
  ) {
    this.io = host.io
    this.env = host.env
    this.globals = values as unknown as GlobalValues
    this.configFile = configFilePath(this.globals['config-file'])
    this.sizes = new SizePrinter(isTrue(host.env['KOPIA_BYTES_STRING_BASE_2']))
    this.times = new TimePrinter(zoneOf(this.globals.timezone, host.env))
    this.showsProgress = values['progress'] === true
    this.paint = new Painter(usesColors(host, this.globals))
  }

  get stop(): AbortSignal {
    if (!this.#stop) {
      this.#stop = new AbortController()
      process.on('SIGINT', this.#onSignal)
      process.on('SIGTERM', this.#onSignal)
    }
    return this.#stop.signal
  }

  get wasOpened(): boolean {
    return this.#wasAskedFor
  }

  async openAhead(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#repository ??= this.#open(resolve)
      // Its error is for whoever asks for the repository.
      this.#repository.then(
        () => resolve(),
        () => resolve(),
      )
    })
  }

  open(): Promise<Repository> {
    this.#wasAskedFor = true
    this.#repository ??= this.#open()
    return this.#repository
  }

  #open(onKeyDerivation?: () => void): Promise<Repository> {
    return openConnected(this, onKeyDerivation)
  }

  async openDirect(): Promise<DirectRepository> {
    const repository = await this.open()
    if (isDirect(repository)) return repository
    throw new CommandError('this command needs a direct connection to the storage, not one to a repository server')
  }

  async write<R>(work: (repository: Repository) => Promise<R>): Promise<R> {
    const repository = await this.open()
    const result = await work(repository)
    await repository.flush()
    return result
  }

  #ignoreSignals(): void {
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
  }

  async close(): Promise<void> {
    this.#ignoreSignals()
    const repository = await this.#repository?.catch(() => undefined)
    await repository?.close()
    if (repository && isDirect(repository)) this.log.debug(`storage: ${processMetrics.summary()}`)
  }
}

function usesColors(host: Host, globals: GlobalValues): boolean {
  if (globals['disable-color'] || (host.env['NO_COLOR'] ?? '') !== '') return false
  return globals['force-color'] || (host.io.outIsTerminal && host.env['TERM'] !== 'dumb')
}

function isTrue(text: string | undefined): boolean {
  try {
    return text !== undefined && text !== '' && parseBool(text)
  } catch {
    return false
  }
}
