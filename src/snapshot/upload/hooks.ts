import { randomBytes } from 'node:crypto'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { CancelledError, messageOf } from '#base/errors.ts'
import type { Action } from '#snapshot/policy/policy.ts'
import { type LocalEntry, statLocal } from '#snapshot/tree/local-tree.ts'
import { type ActionCall, type HookName, runAction } from './action.ts'
import type { UploadContext } from './context.ts'
import { EntryReadError, readError } from './read-error.ts'
import type { UploadObserver, UploadRequest } from './request.ts'

/** Whether and how actions of the policies are run (spec 07, 7.1.13). */
export interface ActionSettings {
  /** What the connection or the command line says. */
  readonly isEnabled: boolean
  /** Given to the actions as KOPIA_VERSION. */
  readonly version: string
  /** What the actions inherit. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Told of what they print on stderr. */
  readonly onErrorOutput?: (chunk: Buffer) => void
}

/** The actions around one folder. */
export interface HookPair {
  readonly kind: 'folder' | 'snapshot-root'
  readonly before: Action | undefined
  readonly after: Action | undefined
  /** The folder on disk. */
  readonly path: string
}

/** Where to read instead, as a before-action asked for. */
export interface Redirect {
  readonly path: string
  readonly local: LocalEntry
}

/** What of an upload actions have to do with. */
export interface HookContext {
  readonly request: Pick<UploadRequest, 'actions'>
  readonly observer: Pick<UploadObserver, 'note'>
  readonly stop: Pick<UploadContext['stop'], 'signal'>
}

/** Runs `work` between a pair of actions. The after-action also runs when `work` fails, but not when an essential before-action did.
 *  `name`: of the entry that the folder becomes. Throws EntryReadError for an essential before-action that fails, CancelledError when it
 *  was killed by the person, and what `work` throws. Source: spec 07, 7.1.13. */
export async function withHooks<T>(
  context: HookContext,
  pair: HookPair,
  name: Pick<LocalEntry, 'name' | 'rawName'>,
  work: (redirect: Redirect | undefined) => Promise<T>,
): Promise<T> {
  const settings = context.request.actions
  if (!settings || (!pair.before && !pair.after)) return work(undefined)
  if (!settings.isEnabled) {
    context.observer.note?.(`Not running the actions of ${pair.path}: actions are not enabled on this client.`)
    return work(undefined)
  }
  const run = new HookRun(context, settings, pair)
  try {
    const redirect = await run.before(name)
    try {
      return await work(redirect)
    } finally {
      await run.after()
    }
  } finally {
    run.removeDirectories()
  }
}

class HookRun {
  readonly #id = randomBytes(8).toString('hex')
  readonly #directories: string[] = []
  #snapshotPath: string

  constructor(
    readonly context: HookContext,
    readonly settings: ActionSettings,
    readonly pair: HookPair,
  ) {
    this.#snapshotPath = pair.path
  }

  async before(name: Pick<LocalEntry, 'name' | 'rawName'>): Promise<Redirect | undefined> {
    const { before, kind } = this.pair
    if (!before) return undefined
    const { signal } = this.context.stop
    const hook = `before-${kind}` as const
    const { failure, snapshotPath } = await this.#run(hook, before, signal)
    if (failure !== undefined) {
      if (signal?.aborted) throw new CancelledError(`the snapshot was cancelled while the action ${hook} of ${this.pair.path} was running`)
      const text = `the action ${hook} of ${this.pair.path} failed: ${failure}`
      if (before.mode === 'essential') throw new EntryReadError(text)
      this.context.observer.note?.(`${text}; the snapshot goes on, since it is not essential`)
    }
    return snapshotPath === '' ? undefined : this.#redirect(hook, snapshotPath, name)
  }

  /** Not stopped by a cancelled snapshot: it may have to clean up. */
  async after(): Promise<void> {
    const { after, kind, path } = this.pair
    if (!after) return
    const { failure } = await this.#run(`after-${kind}`, after, undefined)
    if (failure !== undefined) this.context.observer.note?.(`the action after-${kind} of ${path} failed: ${failure}`)
  }

  removeDirectories(): void {
    for (const directory of this.#directories) {
      try {
        rmSync(directory, { recursive: true, force: true })
      } catch (error) {
        this.context.observer.note?.(`cannot remove the temporary folder ${directory} of an action: ${messageOf(error)}`)
      }
    }
  }

  #redirect(hook: HookName, printed: string, { name, rawName }: Pick<LocalEntry, 'name' | 'rawName'>): Redirect {
    try {
      const path = realpathSync(resolve(printed))
      const local = statLocal(path, name)
      if (local.type !== 'd') throw new EntryReadError('it is not a folder')
      this.#snapshotPath = path
      return { path, local: { ...local, name, rawName, isPlaceholder: false } }
    } catch (error) {
      const text = `the action ${hook} of ${this.pair.path} asked to read ${JSON.stringify(printed.slice(0, 256))} instead`
      throw new EntryReadError(`${text}: ${readError(error).message}`, { cause: error })
    }
  }

  async #run(hook: HookName, action: Action, signal: AbortSignal | undefined) {
    let workDirectory: string
    try {
      workDirectory = mkdtempSync(join(tmpdir(), 'kopia-action'))
    } catch (error) {
      return { snapshotPath: '', failure: `no temporary folder for it can be made: ${messageOf(error)}` }
    }
    // An action that is not waited for needs its folder longer than we do.
    if (action.mode !== 'async') this.#directories.push(workDirectory)
    const call: ActionCall = {
      hook,
      action,
      workDirectory,
      signal,
      onErrorOutput: this.settings.onErrorOutput,
      environment: {
        ...this.settings.environment,
        KOPIA_ACTION: hook,
        KOPIA_SNAPSHOT_ID: this.#id,
        KOPIA_SOURCE_PATH: this.pair.path,
        KOPIA_SNAPSHOT_PATH: this.#snapshotPath,
        KOPIA_VERSION: this.settings.version,
      },
    }
    return runAction(call)
  }
}
