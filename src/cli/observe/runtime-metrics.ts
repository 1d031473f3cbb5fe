import { readdirSync, readFileSync } from 'node:fs'
import type { MetricFamily } from './metric-family.ts'

const gauge = (name: string, help: string, value: number, labels: Readonly<Record<string, string>> = {}): MetricFamily => ({
  name,
  help,
  type: 'gauge',
  points: [{ labels, value }],
})

const seconds = (name: string, help: string, microseconds: number): MetricFamily => ({
  name: `process_cpu${name}_seconds_total`,
  help,
  type: 'counter',
  points: [{ labels: {}, value: microseconds / 1e6 }],
})

/** What the process and its runtime use, under the names that are usual for processes and for Node. */
export function runtimeMetrics(): MetricFamily[] {
  const { user, system } = process.cpuUsage()
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage()
  return [
    seconds('_user', 'Time of processors used by the program', user),
    seconds('_system', 'Time of processors used by the system for the program', system),
    seconds('', 'Time of processors used', user + system),
    gauge('process_start_time_seconds', 'When the process was started', Math.round(Date.now() / 1000 - process.uptime())),
    gauge('process_resident_memory_bytes', 'Memory that is in use', rss),
    ...fileMetrics(),
    gauge('nodejs_heap_size_total_bytes', 'Size of the heap', heapTotal),
    gauge('nodejs_heap_size_used_bytes', 'Used part of the heap', heapUsed),
    gauge('nodejs_external_memory_bytes', 'Memory outside the heap', external),
    gauge('nodejs_array_buffers_bytes', 'Memory of buffers', arrayBuffers),
    gauge('nodejs_version_info', 'Version of Node', 1, { version: process.version }),
  ]
}

/** Open files and how many there may be, where the system tells. */
function fileMetrics(): MetricFamily[] {
  try {
    const open = readdirSync('/proc/self/fd').length
    const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Number.NaN)
    const most = Number.isNaN(limit) ? [] : [gauge('process_max_fds', 'Most files that may be open', limit)]
    return [gauge('process_open_fds', 'Open files', open), ...most]
  } catch {
    return []
  }
}
