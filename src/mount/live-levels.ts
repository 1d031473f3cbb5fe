import type { Clock } from '#base/clock.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'

export interface LiveLevelsOptions {
  /** A visit to the upper levels finds nothing older than this, unless storage is slow. */
  readonly refreshMs: number
  /** A visitor waits this long for a refresh, at most; then sees what was there before. */
  readonly waitMs: number
  readonly clock: Clock
  /** Called with the snapshots when they have changed. */
  readonly onChange: (snapshots: readonly Snapshot[]) => void
  /** Told once per failure in a row. */
  readonly onError: (error: unknown) => void
}

/** Keeps the upper levels as the repository has them: looks when they are visited, at most every `refreshMs`, and not at all while
 *  nobody comes by. */
export class LiveLevels {
  private seen: string | undefined
  private refreshedMs = Number.NEGATIVE_INFINITY
  private running: Promise<void> | undefined
  private failing = false

  constructor(
    private readonly repository: Repository,
    private readonly options: LiveLevelsOptions,
  ) {}

  /** The first look; throws when it fails. */
  async start(): Promise<void> {
    await this.look()
    this.refreshedMs = this.options.clock.nowMs()
  }

  /** To be called on each visit: undefined when what is known is fresh, else a promise that resolves when it is, or after `waitMs`. */
  visit(): Promise<void> | undefined {
    if (this.options.clock.nowMs() - this.refreshedMs < this.options.refreshMs) return undefined
    const running = this.running ?? this.renew()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.options.waitMs)
      void running.then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Looks at once, since something is known to be new; visitors wait for it. */
  renew(): Promise<void> {
    this.refreshedMs = Number.NEGATIVE_INFINITY
    const before = this.running ?? Promise.resolve()
    const running = before
      .then(() => this.refresh())
      .finally(() => {
        if (this.running === running) this.running = undefined
      })
    this.running = running
    return running
  }

  private async refresh(): Promise<void> {
    try {
      await this.repository.refresh()
      await this.look()
      this.failing = false
    } catch (error) {
      if (!this.failing) this.options.onError(error)
      this.failing = true
    }
    this.refreshedMs = this.options.clock.nowMs()
  }

  private async look(): Promise<void> {
    const infos = await this.repository.manifests.find({ type: 'snapshot' })
    const ids = infos.map((info) => info.id).toSorted()
    const seen = ids.join()
    if (seen === this.seen) return
    const snapshots = await listSnapshots(this.repository, { onDamaged: (_id, error) => this.options.onError(error) })
    this.options.onChange(snapshots)
    this.seen = seen
  }
}
