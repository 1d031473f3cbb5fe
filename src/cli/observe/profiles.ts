import { readdirSync, readFileSync } from 'node:fs'
import { type HeapProfiler, type Profiler, type Runtime, Session } from 'node:inspector/promises'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encodePprof, type Frame, type ProfileSample } from './pprof.ts'

export type ProfileKind = 'cpu' | 'allocs' | 'block' | 'goroutine' | 'heap' | 'mutex' | 'threadcreate'

export interface ProfileSettings {
  readonly cpu: boolean
  /** All kinds but cpu. */
  readonly others: boolean
  /** Bytes between two allocations that are looked at; absent = half a MiB, as Go. */
  readonly allocationBytes?: number
}

const defaultAllocationBytes = 512 * 1024
const cpuSampleMicroseconds = 1000

/** Records what this runtime can tell under the names of Go's profiles: `cpu` and `allocs` are V8's own; `heap` are the spaces of the heap,
 *  `goroutine` what the event loop waits for, `threadcreate` the threads, `block` and `mutex` how long the event loop was held up and idle. */
export class ProfileRecorder {
  readonly #session = new Session()
  readonly #startMs = Date.now()
  readonly #startedAt = performance.now()
  readonly #delay = monitorEventLoopDelay({ resolution: 5 })
  readonly #loop = performance.eventLoopUtilization()

  private constructor(readonly settings: ProfileSettings) {}

  static async start(settings: ProfileSettings): Promise<ProfileRecorder> {
    const recorder = new ProfileRecorder(settings)
    const session = recorder.#session
    session.connect()
    if (settings.cpu) {
      await session.post('Profiler.enable')
      await session.post('Profiler.setSamplingInterval', { interval: cpuSampleMicroseconds })
      await session.post('Profiler.start')
    }
    if (settings.others) {
      recorder.#delay.enable()
      await session.post('HeapProfiler.startSampling', {
        samplingInterval: settings.allocationBytes ?? defaultAllocationBytes,
        includeObjectsCollectedByMajorGC: true,
        includeObjectsCollectedByMinorGC: true,
      } as HeapProfiler.StartSamplingParameterType)
    }
    return recorder
  }

  /** Ends the recording; each profile as gzipped pprof. `collectFirst`: what is not used any more is not counted as heap. */
  async stop(collectFirst = false): Promise<Map<ProfileKind, Buffer>> {
    const profiles = new Map<ProfileKind, Buffer>()
    if (this.settings.cpu) {
      const { profile } = await this.#session.post('Profiler.stop')
      profiles.set('cpu', this.#encode(['samples', 'count'], ['cpu', 'nanoseconds'], cpuSamples(profile)))
    }
    if (this.settings.others) {
      this.#delay.disable()
      const { profile } = await this.#session.post('HeapProfiler.stopSampling')
      profiles.set(
        'allocs',
        this.#encode(['alloc_objects', 'count'], ['alloc_space', 'bytes'], allocationSamples(profile as unknown as AllocationProfile)),
      )
      if (collectFirst) collectGarbage()
      profiles.set('heap', this.#encode(['used', 'bytes'], ['committed', 'bytes'], heapSpaces()))
      profiles.set('goroutine', this.#encode(['active', 'count'], ['kinds', 'count'], counted(process.getActiveResourcesInfo())))
      profiles.set('threadcreate', this.#encode(['threads', 'count'], ['kinds', 'count'], counted(threadNames())))
      const { active, idle } = performance.eventLoopUtilization(this.#loop)
      profiles.set(
        'mutex',
        this.#encode(['idle', 'nanoseconds'], ['active', 'nanoseconds'], [single('event loop', [idle * 1e6, active * 1e6])]),
      )
      const { max, mean } = this.#delay
      const held = [single('event loop held up', [Number.isFinite(mean) ? mean : 0, Math.max(max, 0)])]
      profiles.set('block', this.#encode(['mean', 'nanoseconds'], ['longest', 'nanoseconds'], held))
    }
    this.#session.disconnect()
    return profiles
  }

  #encode(first: readonly [string, string], second: readonly [string, string], samples: readonly ProfileSample[]): Buffer {
    const durationMs = performance.now() - this.#startedAt
    return encodePprof({ valueTypes: [first, second], samples, startMs: this.#startMs, durationMs })
  }
}

const single = (name: string, values: readonly number[]): ProfileSample => ({ stack: [{ name, file: '', line: 0 }], values })

const frameOf = ({ functionName, url, lineNumber }: { functionName: string; url: string; lineNumber: number }): Frame => ({
  name: functionName,
  file: url.replace(/^file:\/\//, ''),
  line: lineNumber + 1,
})

function cpuSamples({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ProfileSample[] {
  const frames = new Map(nodes.map((node) => [node.id, frameOf(node.callFrame)]))
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)))
  const totals = new Map<number, { count: number; microseconds: number }>()
  samples.forEach((id, i) => {
    const total = totals.get(id) ?? { count: 0, microseconds: 0 }
    total.count++
    total.microseconds += Math.max(0, timeDeltas[i] ?? 0)
    totals.set(id, total)
  })
  return [...totals].map(([id, { count, microseconds }]) => {
    const stack: Frame[] = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = frames.get(at)
      if (frame && frame.name !== '(root)') stack.push(frame)
    }
    return { stack, values: [count, microseconds * 1000] }
  })
}

/** What V8 gives beyond the published types. */
interface AllocationNode {
  readonly id: number
  readonly callFrame: Runtime.CallFrame
  readonly children: readonly AllocationNode[]
}

interface AllocationProfile {
  readonly head: AllocationNode
  readonly samples: readonly { readonly size: number; readonly nodeId: number }[]
}

function allocationSamples({ head, samples }: AllocationProfile): ProfileSample[] {
  const totals = new Map<number, { count: number; bytes: number }>()
  for (const { nodeId, size } of samples) {
    const total = totals.get(nodeId) ?? { count: 0, bytes: 0 }
    total.count++
    total.bytes += size
    totals.set(nodeId, total)
  }
  const found: ProfileSample[] = []
  const waiting: { node: AllocationNode; outer: readonly Frame[] }[] = [{ node: head, outer: [] }]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { node, outer } = next
    const stack = node === head ? [] : [frameOf(node.callFrame), ...outer]
    const total = totals.get(node.id)
    if (total) found.push({ stack, values: [total.count, total.bytes] })
    for (const child of node.children) waiting.push({ node: child, outer: stack })
  }
  return found
}

function heapSpaces(): ProfileSample[] {
  const spaces = getHeapSpaceStatistics().map((s) => single(s.space_name, [s.space_used_size, s.physical_space_size]))
  const { external, arrayBuffers } = process.memoryUsage()
  return [
    ...spaces,
    single('external', [external - arrayBuffers, external - arrayBuffers]),
    single('array buffers', [arrayBuffers, arrayBuffers]),
  ]
}

function counted(names: readonly string[]): ProfileSample[] {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].map(([name, count]) => single(name, [count, 1]))
}

/** Names of the threads of this process, where the system tells them. */
function threadNames(): string[] {
  try {
    return readdirSync('/proc/self/task').map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim())
  } catch {
    return ['main']
  }
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}
