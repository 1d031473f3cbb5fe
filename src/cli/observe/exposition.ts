import type { MetricFamily, MetricPoint } from './metric-family.ts'
import { ProtoWriter, varint } from './protobuf.ts'

/** Forms in which metrics are handed over (spec 05, 5.1.9). */
export const metricsFormats = ['open-metrics', 'open-metrics-0.0.1', 'proto-compact', 'proto-delim', 'proto-text', 'text'] as const
export type MetricsFormat = (typeof metricsFormats)[number]

const protoType = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding='

interface Form {
  readonly contentType: string
  encode(families: readonly MetricFamily[]): Buffer
}

const forms: Readonly<Record<MetricsFormat, Form>> = {
  text: {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    encode: (all) => Buffer.from(all.map((f) => lines(f, f.name)).join('')),
  },
  'open-metrics': { contentType: 'application/openmetrics-text; version=1.0.0; charset=utf-8', encode: openMetrics },
  'open-metrics-0.0.1': { contentType: 'application/openmetrics-text; version=0.0.1; charset=utf-8', encode: openMetrics },
  'proto-delim': { contentType: `${protoType}delimited`, encode: delimited },
  'proto-text': { contentType: `${protoType}text`, encode: (all) => Buffer.from(all.map((f) => `${protoText(f, '\n')}\n`).join('')) },
  'proto-compact': {
    contentType: `${protoType}compact-text`,
    encode: (all) => Buffer.from(all.map((f) => `${protoText(f, ' ')}\n`).join('')),
  },
}

/** Metrics in one of the forms, and the media type of that. Source: the exposition formats of Prometheus and OpenMetrics. */
export function expose(families: readonly MetricFamily[], format: MetricsFormat): { readonly contentType: string; readonly body: Buffer } {
  const { contentType, encode } = forms[format]
  return { contentType, body: encode(families) }
}

const number = (value: number): string => (value === Number.POSITIVE_INFINITY ? '+Inf' : String(value))
const escaped = (text: string): string => text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
const quoted = (text: string): string => `"${escaped(text).replace(/"/g, '\\"')}"`

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${quoted(value)}`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function pointLines(name: string, { labels, value, histogram }: MetricPoint): string {
  if (!histogram) return `${name}${labelText(labels)} ${number(value)}\n`
  const buckets = histogram.buckets.map(({ bound, count }) => `${name}_bucket${labelText({ ...labels, le: number(bound) })} ${count}\n`)
  return `${buckets.join('')}${name}_sum${labelText(labels)} ${number(histogram.sum)}\n${name}_count${labelText(labels)} ${histogram.count}\n`
}

/** `title` is the name in the two comments. */
const lines = (family: MetricFamily, title: string): string =>
  `# HELP ${title} ${escaped(family.help)}\n# TYPE ${title} ${family.type}\n${family.points.map((p) => pointLines(family.name, p)).join('')}`

/** Here a counter is called without its ending, and only its samples have it. */
function openMetrics(families: readonly MetricFamily[]): Buffer {
  const title = ({ type, name }: MetricFamily) => (type === 'counter' ? name.replace(/_total$/, '') : name)
  return Buffer.from(`${families.map((family) => lines(family, title(family))).join('')}# EOF\n`)
}

const protoTypes = { counter: 0, gauge: 1, histogram: 4 } as const

function protoPoint(type: MetricFamily['type'], { labels, value, histogram }: MetricPoint): ProtoWriter {
  const metric = new ProtoWriter()
  for (const [name, text] of Object.entries(labels)) metric.bytes(1, new ProtoWriter().bytes(1, name).bytes(2, text))
  if (!histogram) return metric.bytes(type === 'gauge' ? 2 : 3, new ProtoWriter().double(1, value))
  const inner = new ProtoWriter().varint(1, histogram.count).double(2, histogram.sum)
  for (const { bound, count } of histogram.buckets) inner.bytes(3, new ProtoWriter().varint(1, count).double(2, bound))
  return metric.bytes(7, inner)
}

function delimited(families: readonly MetricFamily[]): Buffer {
  return Buffer.concat(
    families.flatMap(({ name, help, type, points }) => {
      const family = new ProtoWriter().bytes(1, name).bytes(2, help).varint(3, protoTypes[type])
      for (const point of points) family.bytes(4, protoPoint(type, point))
      const bytes = family.finish()
      return [varint(BigInt(bytes.length)), bytes]
    }),
  )
}

/** The text form of the same messages; `gap` stands between fields. */
function protoText({ name, help, type, points }: MetricFamily, gap: string): string {
  const fields = [`name: ${quoted(name)}`, `help: ${quoted(help)}`, `type: ${type.toUpperCase()}`]
  for (const { labels, value, histogram } of points) {
    const inner = Object.entries(labels).map(([key, text]) => `label: { name: ${quoted(key)} value: ${quoted(text)} }`)
    if (histogram) {
      const buckets = histogram.buckets.map(
        ({ bound, count }) => `bucket: { cumulative_count: ${count} upper_bound: ${protoNumber(bound)} }`,
      )
      inner.push(`histogram: { sample_count: ${histogram.count} sample_sum: ${protoNumber(histogram.sum)} ${buckets.join(' ')} }`)
    } else inner.push(`${type}: { value: ${protoNumber(value)} }`)
    fields.push(`metric: {${gap}${inner.join(gap)}${gap}}`)
  }
  return fields.join(gap)
}

const protoNumber = (value: number): string => (value === Number.POSITIVE_INFINITY ? 'inf' : String(value).toLowerCase())
