import { stat } from 'node:fs/promises'
import type { BlobStorage, BlobWrapper } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { noLimits, parseThrottling, type Throttle, type ThrottlingLimits } from '#repo/blob/wrap/throttle.ts'
import { type LocalConfig, readLocalConfig } from './local-config.ts'

const lookEveryMs = 2000

/** Limits of a connection: those set by "repository throttle" replace those in the storage's own configuration (spec 04, 4.5). Throws
 *  JsonShapeError, UsageError. */
export const throttlingOf = (config: LocalConfig): ThrottlingLimits =>
  parseThrottling(config.throttlingLimits ?? config.storage?.config) ?? noLimits

/** Wrapper that changes nothing but keeps `throttle` at what the configuration file says, as long as the storage is open: a mount or
 *  server that runs for weeks obeys "repository throttle set" within seconds. A file that cannot be read changes nothing. */
export function followingLimits(
  throttle: Throttle,
  configFile: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
  everyMs = lookEveryMs,
): BlobWrapper {
  return (inner) => new FollowingStorage(inner, throttle, configFile, env, everyMs)
}

class FollowingStorage extends ForwardingStorage {
  readonly #timer: NodeJS.Timeout
  #seen = ''
  #looking: Promise<void> | undefined

  constructor(
    inner: BlobStorage,
    private readonly throttle: Throttle,
    private readonly configFile: string,
    private readonly env: Readonly<Record<string, string | undefined>>,
    everyMs: number,
  ) {
    super(inner)
    this.#timer = setInterval(() => {
      this.#looking ??= this.look()
        .catch(() => undefined)
        .finally(() => {
          this.#looking = undefined
        })
    }, everyMs)
    this.#timer.unref()
  }

  /** A look that is under way when the storage is closed ends first: after it nothing changes any more. */
  override async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
    await super.close()
  }

  private async look(): Promise<void> {
    const { mtimeMs, size, ino } = await stat(this.configFile)
    const mark = `${mtimeMs} ${size} ${ino}`
    if (mark === this.#seen) return
    const limits = throttlingOf(await readLocalConfig(this.configFile, this.env))
    this.#seen = mark
    this.throttle.update(limits)
  }
}
