import { messageOf, systemCode } from '#base/errors.ts'
import { errno, FuseError } from '#fuse/errno.ts'
import type { ByteName } from '#fuse/operations.ts'
import type { Control } from '../control.ts'
import type { Staging } from '../staging/staging.ts'
import type { FinishedJob, Flusher } from './flusher.ts'
import { statusOf } from './status.ts'

const longestWaitMs = 30_000
const text = (value: string): Uint8Array => Buffer.from(value)

/** The control files and attributes of a writable mount, in front of the flushers of its overlays. Source: spec 08, 4.7. */
export class FlushControl implements Control {
  readonly names = ['status', 'errors', 'flush', 'last-snapshot']
  readonly writableNames = ['flush']
  readonly xattrNames = ['user.kura.state', 'user.kura.snapshot', 'user.kura.error', 'user.kura.dirty_bytes']
  #waiting: Promise<readonly FinishedJob[]> | undefined

  /** By the names of the overlays below `backup/`; one alone has its status unnested. */
  constructor(readonly flushers: ReadonlyMap<string, Flusher>) {}

  read(name: ByteName): Uint8Array {
    const all = [...this.flushers]
    const [only] = all
    if (name === 'status') {
      const status = all.length === 1 && only ? statusOf(only[1]) : Object.fromEntries(all.map(([key, f]) => [key, statusOf(f)]))
      return text(`${JSON.stringify(status, undefined, 2)}\n`)
    }
    if (name === 'errors')
      return text(
        all
          .flatMap(([source, f]) =>
            f.errors.map((e) => `${JSON.stringify({ time: iso(e.timeMs), source, code: e.code, message: e.message })}\n`),
          )
          .join(''),
      )
    if (name === 'last-snapshot') return text(all.map(([, f]) => (f.last?.result ? `${f.last.result.snapshot.id}\n` : '')).join(''))
    return new Uint8Array(0)
  }

  write(name: ByteName, data: Uint8Array): void {
    if (name !== 'flush') throw new FuseError(errno.EACCES)
    if (Buffer.from(data).toString().trim() !== 'now') throw new FuseError(errno.EINVAL)
    this.#start([...this.flushers.values()])
  }

  /** Waits for the flush that was asked for; without one, asks for it. */
  async sync(name: ByteName): Promise<void> {
    if (name !== 'flush') return
    this.#waiting ??= Promise.all([...this.flushers.values()].map((f) => f.flush()))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), longestWaitMs)
    })
    const jobs = await Promise.race([this.#waiting, late]).finally(() => clearTimeout(timer))
    if (!jobs) throw new FuseError(errno.EINPROGRESS)
    this.#waiting = undefined
    const failed = jobs.find((j) => j.error !== undefined)
    if (failed) throw new FuseError(errnoOf(failed.error), messageOf(failed.error))
  }

  getXattr(staging: Staging, name: ByteName): Uint8Array | undefined {
    const flusher = this.#of(staging)
    if (name === 'user.kura.state') return text(flusher.state)
    if (name === 'user.kura.snapshot') return text(staging.lower?.snapshotId ?? '')
    if (name === 'user.kura.error') return text(flusher.state === 'failed' ? (flusher.errors.at(-1)?.message ?? '') : '')
    if (name === 'user.kura.dirty_bytes') return text(String(staging.usage().dirtyBytes))
    return undefined
  }

  setXattr(staging: Staging, name: ByteName, value: Uint8Array): void {
    if (name !== 'user.kura.flush') throw new FuseError(errno.EOPNOTSUPP)
    if (Buffer.from(value).toString().trim() !== 'now') throw new FuseError(errno.EINVAL)
    this.#start([this.#of(staging)])
  }

  /** EALREADY when all of them flush already and nothing has changed since. */
  #start(flushers: readonly Flusher[]): void {
    if (flushers.every((f) => f.state === 'flushing' && f.staging.usage().firstChangeMs === undefined)) throw new FuseError(errno.EALREADY)
    this.#waiting = Promise.all(flushers.map((f) => f.flush()))
  }

  #of(staging: Staging): Flusher {
    for (const flusher of this.flushers.values()) if (flusher.staging === staging) return flusher
    throw new FuseError(errno.EINVAL)
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()

function errnoOf(error: unknown) {
  const code = systemCode(error)
  return code === 'ENOSPC' || code === 'EACCES' ? errno[code] : errno.EIO
}
