import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf, UsageError } from '#base/errors.ts'
import type { GlobalValues } from '../context.ts'
import type { Log } from '../log.ts'
import { fileStamp } from '../log-file.ts'
import { expose, type MetricsFormat } from './exposition.ts'
import { allMetrics } from './families.ts'
import { listen } from './listener.ts'
import { ProfileRecorder } from './profiles.ts'
import { MetricsPusher } from './push.ts'

/** What watches a command from outside, and is told when it has ended. */
export interface Observation {
  /** Pushes and writes for the last time. What fails is a warning. */
  end(): Promise<void>
}

/** Starts what the flags of observability ask for. Throws UsageError. Source: spec 06, section 3; spec 05, 5.1.9. */
export async function observe(path: readonly string[], values: GlobalValues, log: Log): Promise<Observation> {
  const folder = diagnosticsFolder(path, values)
  const ends: (() => Promise<void>)[] = []
  const warn = (message: string) => log.warning(message)
  if (values['metrics-push-addr']) {
    const pusher = new MetricsPusher(pushSettings(values), warn)
    log.debug(`pushing metrics to ${values['metrics-push-addr'].replace(/\/\/.*@/, '//')}`)
    ends.push(() => pusher.stop())
  }
  if (values['metrics-listen-addr']) {
    const server = await listen(values['metrics-listen-addr'], values['enable-pprof'], path)
    ends.push(async () => {
      server.close()
      server.closeAllConnections()
    })
  }
  if (values['profile-cpu'] || values['profile-store-on-exit']) {
    const rate = values['profile-memory-rate']
    const settings = { cpu: values['profile-cpu'], others: values['profile-store-on-exit'] }
    const recorder = await ProfileRecorder.start(rate !== undefined && rate > 0 ? { ...settings, allocationBytes: rate } : settings)
    ends.push(async () => {
      for (const [kind, bytes] of await recorder.stop(values['profile-go-gc-before-dump']))
        writeInto(join(folder, 'profiles'), `${kind}.pprof`, bytes)
    })
  }
  if (values['metrics-store-on-exit']) ends.push(async () => writeInto(folder, 'kopia-metrics.prom', expose(allMetrics(), 'text').body))
  return {
    async end() {
      for (const end of ends) await end().catch((error: unknown) => warn(`cannot tell how the command went: ${messageOf(error)}`))
    },
  }
}

function diagnosticsFolder(path: readonly string[], values: GlobalValues): string {
  const top = values['diagnostics-output-directory'] ?? join(tmpdir(), 'kopia-diagnostics')
  const isWanted = values['metrics-store-on-exit'] || values['profile-store-on-exit'] || values['profile-cpu']
  if (isWanted && top === '')
    throw new UsageError(
      "writing diagnostics output requires a non-empty directory name (specified with the '--diagnostics-output-directory' flag)",
    )
  return join(top, `${fileStamp(new Date(), false)}-${path.join('-')}`)
}

const pushSettings = (values: GlobalValues) => ({
  address: values['metrics-push-addr'] ?? '',
  intervalMs: Math.max(100, Number(values['metrics-push-interval'] / 1_000_000n)),
  job: values['metrics-push-job'],
  grouping: values['metrics-push-grouping'],
  username: values['metrics-push-username'] ?? '',
  password: values['metrics-push-password'] ?? '',
  format: (values['metrics-push-format'] ?? 'text') as MetricsFormat,
})

function writeInto(folder: string, name: string, bytes: Buffer): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, name), bytes, { mode: 0o600 })
}
