import { UsageError } from '#base/errors.ts'
import { httpAgents } from '#repo/blob/http/agent.ts'
import { HttpClient } from '#repo/blob/http/client.ts'
import { expose, type MetricsFormat } from './exposition.ts'
import { allMetrics } from './families.ts'

export interface PushSettings {
  readonly address: string
  readonly intervalMs: number
  readonly job: string
  /** `name:value`. */
  readonly grouping: readonly string[]
  readonly username: string
  readonly password: string
  readonly format: MetricsFormat
}

const timeoutMs = 10_000

/** Where metrics of a job go (the push gateway of Prometheus). Throws UsageError for a grouping without colon. */
export function pushUrl({ address, job, grouping }: Pick<PushSettings, 'address' | 'job' | 'grouping'>): string {
  const parts: [name: string, value: string][] = [['job', job]]
  for (const pair of grouping) {
    const colon = pair.indexOf(':')
    if (colon < 0) throw new UsageError('unable to start observability facilities: grouping must be name:value')
    parts.push([pair.slice(0, colon), pair.slice(colon + 1)])
  }
  const base = (/^\w+:\/\//.test(address) ? address : `http://${address}`).replace(/\/+$/, '')
  if (!URL.canParse(base)) throw new UsageError(`unable to start observability facilities: ${address} is no address of a push gateway`)
  return `${base}/metrics/${parts.map(([name, value]) => segment(name, value)).join('/')}`
}

/** A name and its value in a path; what a path cannot hold goes as base64. */
function segment(name: string, value: string): string {
  const plain = value !== '' && !value.includes('/')
  if (plain) return `${encodeURIComponent(name)}/${encodeURIComponent(value)}`
  return `${encodeURIComponent(name)}@base64/${Buffer.from(value).toString('base64url') || '='}`
}

/** Pushes metrics at once, then every interval, and a last time when it is stopped. A push that fails is told to `warn`, the first time. */
export class MetricsPusher {
  readonly #client = new HttpClient(httpAgents(), timeoutMs)
  readonly #url: string
  readonly #timer: NodeJS.Timeout
  #running: Promise<void>
  #hasWarned = false

  constructor(
    readonly settings: PushSettings,
    readonly warn: (message: string) => void,
  ) {
    this.#url = pushUrl(settings)
    this.#running = this.#push()
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#push())
    }, settings.intervalMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
    await this.#push()
    this.#client.close()
  }

  async #push(): Promise<void> {
    const { username, password, format, address } = this.settings
    const place = URL.canParse(this.#url) ? new URL(this.#url).host : address
    const login = Buffer.from(`${username}:${password}`).toString('base64')
    try {
      const { contentType, body } = expose(allMetrics(), format)
      const headers = { 'Content-Type': contentType, ...(username === '' ? {} : { Authorization: `Basic ${login}` }) }
      const { status } = await this.#client.call({ method: 'PUT', url: this.#url, headers, body: [body], what: `push metrics to ${place}` })
      if (status < 200 || status >= 300) throw new Error(`push metrics to ${place}: it answers with status ${status}`)
    } catch (error) {
      if (!this.#hasWarned) this.warn(`cannot ${error instanceof Error ? error.message : String(error)}`)
      this.#hasWarned = true
    }
  }
}
