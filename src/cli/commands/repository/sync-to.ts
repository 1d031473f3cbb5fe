import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import type { Command, Flag, ValuesOf } from '#cli/flag.ts'
import { ProgressLine } from '#cli/print/progress.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import type { Comparison } from '#repo/repository/sync.ts'
import { storageOf } from './connect.ts'
import type { StorageProvider } from './storages/provider.ts'

export const syncFlags = [
  { name: 'update', type: 'bool', default: 'true', describe: 'Copy again what is newer here' },
  { name: 'delete', type: 'bool', describe: 'Delete what is only there' },
  { name: 'dry-run', short: 'n', type: 'bool' },
  { name: 'parallel', type: 'int', default: '1' },
  { name: 'must-exist', type: 'bool', describe: 'Fail if there is no repository there' },
  { name: 'times', type: 'bool', describe: 'Keep modification times' },
] as const satisfies readonly Flag[]

const progressIntervalMs = 300

/** "repository sync-to" for one kind of storage. */
export const syncToCommand = (provider: StorageProvider): Command => ({
  args: [],
  flags: [...provider.flags, ...syncFlags],
  run: async (c, given) => {
    const values = given as ValuesOf<(typeof syncFlags)[number]>
    const connection = await provider.connectionFrom(given, { use: 'sync-to', context: c, formatVersion: 0 })
    // Opened first: a folder that is missing is a volume that is not mounted.
    const target = await storageOf(connection, false)
    try {
      const repository = await c.openDirect()
      const { syncStorage } = await import('#repo/repository/sync.ts')
      c.log.info('Synchronizing repositories:')
      c.log.info(`  Source:      ${repository.blobs.displayName}`)
      c.log.info(`  Destination: ${target.displayName}`)
      const reporter = new SyncReporter(c, values['dry-run'])
      await syncStorage(repository.blobs, target, {
        update: values.update,
        delete: values.delete,
        dryRun: values['dry-run'],
        parallel: values.parallel,
        mustExist: values['must-exist'],
        times: values.times,
        warn: (message) => c.log.warning(message),
        onCompared: (found) => reporter.compared(found),
        onDone: (blob, action) => reporter.done(blob, action),
      }).finally(() => reporter.end())
    } catch (error) {
      if (!c.wasOpened || error instanceof CommandError) throw error
      throw new CommandError(`error synchronizing to ${target.displayName}: ${messageOf(error)}`, { cause: error })
    } finally {
      await target.close()
    }
  },
})

class SyncReporter {
  readonly #line: ProgressLine
  readonly #count = { copied: 0, deleted: 0, vanished: 0 }
  #bytes = 0
  #total = { count: 0, bytes: 0 }

  constructor(
    private readonly c: CommandContext,
    private readonly isDry: boolean,
  ) {
    this.#line = new ProgressLine(c.io, progressIntervalMs, () => performance.now())
  }

  compared({ toCopy, toDelete, inSync }: Comparison): void {
    const { c } = this
    const amount = (blobs: readonly BlobInfo[]) => `${blobs.length} BLOBs`
    const size = (blobs: readonly BlobInfo[]) => `(${c.sizes.bytes(bytesOf(blobs))})`
    c.log.info(`  Found ${amount(toCopy)} to copy ${size(toCopy)}`)
    c.log.info(`  Found ${amount(toDelete)} to delete ${size(toDelete)}, ${inSync.count} in sync (${c.sizes.bytes(inSync.bytes)})`)
    this.#total = { count: toCopy.length, bytes: bytesOf(toCopy) }
    if (this.isDry) c.log.info('Nothing is copied or deleted: this is a dry run.')
  }

  done(blob: BlobInfo, action: 'copied' | 'deleted' | 'vanished'): void {
    this.#count[action]++
    if (action === 'copied') this.#bytes += blob.sizeBytes
    if (this.c.showsProgress) this.#line.draw(() => `  ${this.summary()}`)
  }

  end(): void {
    this.#line.end()
    if (!this.isDry) this.c.log.info(`  ${this.summary()}`)
  }

  private summary(): string {
    const { sizes } = this.c
    const { copied, deleted, vanished } = this.#count
    const gone = vanished > 0 ? `, ${vanished} had gone from the source` : ''
    return `Copied ${copied} of ${this.#total.count} BLOBs (${sizes.bytes(this.#bytes)} of ${sizes.bytes(this.#total.bytes)}), deleted ${deleted}${gone}.`
  }
}

const bytesOf = (blobs: readonly BlobInfo[]): number => blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0)
