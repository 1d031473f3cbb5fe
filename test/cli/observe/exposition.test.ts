import { expect, test } from 'vitest'
import { expose, metricsFormats } from '#cli/observe/exposition.ts'
import { kopiaMetrics } from '#cli/observe/families.ts'
import type { MetricFamily } from '#cli/observe/metric-family.ts'
import { varint } from '#cli/observe/protobuf.ts'
import { pushUrl } from '#cli/observe/push.ts'

const families: readonly MetricFamily[] = [
  { name: 'a_total', help: 'of "a"\nmore', type: 'counter', points: [{ labels: { k: 'x"\\\ny' }, value: 3 }] },
  { name: 'g', help: 'gauge', type: 'gauge', points: [{ labels: {}, value: 1.5 }] },
  {
    name: 'h',
    help: 'times',
    type: 'histogram',
    points: [
      {
        labels: { m: 'p' },
        value: 0,
        histogram: {
          buckets: [
            { bound: 0.5, count: 1 },
            { bound: Number.POSITIVE_INFINITY, count: 4 },
          ],
          sum: 7.25,
          count: 4,
        },
      },
    ],
  },
]
const text = (format: Parameters<typeof expose>[1]) => expose(families, format).body.toString('utf8')

test('the text form of Prometheus', () => {
  expect(text('text')).toBe(`# HELP a_total of "a"\\nmore
# TYPE a_total counter
a_total{k="x\\"\\\\\\ny"} 3
# HELP g gauge
# TYPE g gauge
g 1.5
# HELP h times
# TYPE h histogram
h_bucket{m="p",le="0.5"} 1
h_bucket{m="p",le="+Inf"} 4
h_sum{m="p"} 7.25
h_count{m="p"} 4
`)
})

test('OpenMetrics calls a counter without its ending and says where the end is', () => {
  expect(text('open-metrics')).toContain('# TYPE a counter\na_total{')
  expect(text('open-metrics-0.0.1')).toMatch(/\n# EOF\n$/)
})

test('protocol buffers, each message after its length', () => {
  const { body, contentType } = expose(families.slice(1, 2), 'proto-delim')
  // Field by field: name "g", help "gauge", type 1, one metric with a gauge of 1.5.
  expect(body.toString('hex')).toBe('190a016712056761756765' + '1801' + '220b1209' + '09000000000000f83f')
  expect(contentType).toBe('application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited')
})

test('protocol buffers as text, on many lines and on one', () => {
  expect(text('proto-compact').split('\n')[1]).toBe('name: "g" help: "gauge" type: GAUGE metric: { gauge: { value: 1.5 } }')
  expect(text('proto-text')).toContain('name: "g"\nhelp: "gauge"\ntype: GAUGE\nmetric: {\ngauge: { value: 1.5 }\n}\n')
  expect(text('proto-text')).toContain('bucket: { cumulative_count: 4 upper_bound: inf }')
})

test.each(metricsFormats)('every series that dashboards know is there from the start, as %s', (format) => {
  const { body } = expose(kopiaMetrics(), format)
  const ending = format.startsWith('open') || format === 'text' ? '_total' : ''
  for (const name of [
    'kopia_cache_hit_bytes',
    'kopia_cache_miss_errors',
    'kopia_content_uploaded_bytes',
    'kopia_content_compression_attempted_duration_nanos',
    'kopia_blob_errors',
  ])
    expect(body.includes(name + ending), name).toBe(true)
  expect(body.includes('kopia_blob_storage_latency_ms')).toBe(true)
})

test.each([
  [0n, '00'],
  [127n, '7f'],
  [300n, 'ac02'],
  [-1n, 'ffffffffffffffffff01'],
])('the varint of %s is %s', (value, hex) => {
  expect(Buffer.from(varint(value)).toString('hex')).toBe(hex)
})

test.each([
  ['http://gate:9091/', 'kopia', [], 'http://gate:9091/metrics/job/kopia'],
  ['gate:9091', 'kopia', ['a:b', 'c:d:e'], 'http://gate:9091/metrics/job/kopia/a/b/c/d%3Ae'],
  ['http://gate', 'kopia', ['path:/var/x', 'none:'], 'http://gate/metrics/job/kopia/path@base64/L3Zhci94/none@base64/='],
])('metrics for %s, job %s, grouping %j go to %s', (address, job, grouping, url) => {
  expect(pushUrl({ address, job, grouping })).toBe(url)
})

test('a grouping without a colon is refused', () => {
  expect(() => pushUrl({ address: 'http://gate', job: 'kopia', grouping: ['abc'] })).toThrow('grouping must be name:value')
})
