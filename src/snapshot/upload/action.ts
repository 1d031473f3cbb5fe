import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, systemCode } from '#base/errors.ts'
import type { Action } from '#snapshot/policy/policy.ts'

export type HookName = 'before-folder' | 'after-folder' | 'before-snapshot-root' | 'after-snapshot-root'

export interface ActionCall {
  readonly hook: HookName
  readonly action: Action
  /** Where it runs, and where a script is put. */
  readonly workDirectory: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly onErrorOutput?: ((chunk: Buffer) => void) | undefined
  /** Kills it. */
  readonly signal?: AbortSignal | undefined
}

export interface ActionOutcome {
  /** Value of the last `KOPIA_SNAPSHOT_PATH=…` line that it printed; '' if there was none. */
  readonly snapshotPath: string
  /** Why it counts as failed; undefined when all is well. */
  readonly failure: string | undefined
}

const defaultTimeoutSeconds = 180
const maxTimeoutSeconds = 2_147_483
/** What a process that was left behind may still print. */
const drainMs = 500

/** Runs one action to its end and reads what it prints; an `async` one is only started. Never throws: what goes wrong is the `failure`.
 *  Source: spec 07, 7.1.13. */
export async function runAction(call: ActionCall): Promise<ActionOutcome> {
  try {
    const words = commandOf(call)
    if (call.action.mode === 'async') {
      startDetached(call, words)
      return { snapshotPath: '', failure: undefined }
    }
    return await runAndWait(call, words)
  } catch (error) {
    return { snapshotPath: '', failure: messageOf(error) }
  }
}

/** A script is written to the work directory. Throws when nothing is to be run, or the script cannot be written. */
function commandOf({ action, hook, workDirectory }: ActionCall): string[] {
  if (action.script) {
    const file = join(workDirectory, `${hook}.sh`)
    writeFileSync(file, action.script, { mode: 0o700 })
    return action.script.startsWith('#!') ? [file] : ['sh', '-e', file]
  }
  if (!action.path) throw new Error('the action has neither a command nor a script')
  return [action.path, ...(action.args ?? [])]
}

/** Goes on when we have ended; the shell around it takes the work directory away afterwards. */
function startDetached({ workDirectory, environment }: ActionCall, words: readonly string[]): void {
  const text = 'd=$1; shift; "$@"; cd / && rm -rf -- "$d"'
  const child = spawn('sh', ['-c', text, 'sh', workDirectory, ...words], {
    cwd: workDirectory,
    env: environment,
    detached: true,
    stdio: 'ignore',
  })
  // Without a listener a failure to start would end the whole program.
  child.once('error', () => undefined)
  child.unref()
}

function runAndWait(call: ActionCall, words: readonly string[]): Promise<ActionOutcome> {
  const { action, signal } = call
  const timeoutSeconds = Math.min(action.timeout && action.timeout > 0 ? action.timeout : defaultTimeoutSeconds, maxTimeoutSeconds)
  return new Promise((resolve) => {
    const [command = '', ...args] = words
    const child = spawn(command, args, {
      cwd: call.workDirectory,
      env: call.environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = new OutputReader()
    let killed: string | undefined
    const kill = (why: string) => {
      killed ??= why
      killGroup(child)
    }
    const timer = setTimeout(() => kill(`it was killed after ${timeoutSeconds} seconds`), timeoutSeconds * 1000)
    const onAbort = () => kill('it was killed because the snapshot was cancelled')
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort)
    const end = (failure: string | undefined) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      resolve({ snapshotPath: output.snapshotPath, failure })
    }
    child.stdout.on('data', (chunk: Buffer) => output.add(chunk))
    child.stderr.on('data', (chunk: Buffer) => call.onErrorOutput?.(chunk))
    child.once('error', (error) => end(`${command} cannot be started: ${systemCode(error) === 'ENOENT' ? 'not found' : messageOf(error)}`))
    child.once('exit', (status, deathSignal) => {
      const failure = killed ?? (status === 0 ? undefined : `exit status ${status ?? deathSignal}`)
      // Something that it left running may hold the pipes open for ever.
      const giveUp = () => {
        child.stdout.destroy()
        child.stderr.destroy()
      }
      // What came while this process had no turn on a busy machine is read before the pipes are left.
      const drain = setTimeout(() => setImmediate(giveUp), drainMs)
      child.once('close', () => {
        clearTimeout(drain)
        output.end()
        end(failure)
      })
    })
  })
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

const wantedKey = 'KOPIA_SNAPSHOT_PATH'
/** Longer than any path: what is beyond it in a line is rubbish. */
const maxLineBytes = 1 << 16

/** Picks the one line that counts out of whatever is printed, in bounded memory. */
class OutputReader {
  snapshotPath = ''
  #line: Buffer[] = []
  #lineBytes = 0

  add(chunk: Buffer): void {
    let start = 0
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, start)) {
      this.#keep(chunk.subarray(start, at))
      this.end()
      start = at + 1
    }
    this.#keep(chunk.subarray(start))
  }

  /** Takes the line that is complete. */
  end(): void {
    const line = Buffer.concat(this.#line).toString('utf8').replace(/\r$/, '')
    const isWhole = this.#lineBytes <= maxLineBytes
    this.#line = []
    this.#lineBytes = 0
    const equals = line.indexOf('=')
    if (isWhole && equals >= 0 && line.slice(0, equals) === wantedKey) this.snapshotPath = line.slice(equals + 1)
  }

  #keep(part: Buffer): void {
    if (this.#lineBytes <= maxLineBytes) this.#line.push(part)
    this.#lineBytes += part.length
  }
}
