import { defineCommand, type Flag } from '#cli/flag.ts'
import type { SplitterType } from '#repo/object/splitter/registry.ts'

const flags = [
  { name: 'rand-seed', type: 'int64', default: '42' },
  { name: 'data-size', type: 'bytes', default: '32MB' },
  { name: 'block-count', type: 'uint', default: '16' },
  { name: 'print-options', type: 'bool' },
  { name: 'parallel', type: 'uint', default: '1' },
] as const satisfies readonly Flag[]

export const splitter = defineCommand({
  flags,
  async run(c, values) {
    const [{ splitterByName, splitterNames }, { createCipheriv, createHash }] = await Promise.all([
      import('#repo/object/splitter/registry.ts'),
      import('node:crypto'),
    ])
    const size = values['data-size']
    const count = values['block-count']
    // The same seed gives the same bytes: a stream cipher over zeros.
    const key = createHash('sha256').update(String(values['rand-seed'])).digest()
    const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
    const blocks = Array.from({ length: count }, () => stream.update(Buffer.alloc(size)))
    c.log.info(`splitting ${count} blocks of ${c.sizes.bytes(size)} each`)
    const results: { name: string; text: string; speed: number }[] = []
    for (const name of splitterNames) {
      const type = splitterByName(name) as SplitterType
      const start = performance.now()
      const lengths = blocks.flatMap((block) => segmentsOf(type, block)).sort((a, b) => a - b)
      const speed = (size * count) / ((performance.now() - start) / 1000)
      const at = (percent: number) => lengths[Math.min(lengths.length - 1, Math.floor((lengths.length * percent) / 100))] ?? 0
      const percentiles = `10th:${at(10)} 25th:${at(25)} 50th:${at(50)} 75th:${at(75)} 90th:${at(90)}`
      const text = `${name.padEnd(22)} ${c.sizes.speed(speed).padStart(12)} count:${lengths.length} min:${at(0)} ${percentiles} max:${at(100)}`
      c.io.out(text)
      results.push({ name, text, speed })
    }
    c.io.out('-'.repeat(65))
    results.sort((a, b) => b.speed - a.speed)
    for (const [i, { name, text }] of results.entries())
      c.io.out(`${String(i).padStart(3)}. ${text}${values['print-options'] ? `, --object-splitter=${name}` : ''}`)
  },
})

function segmentsOf(type: SplitterType, data: Buffer): number[] {
  const lengths: number[] = []
  for (let start = 0; start < data.length; ) {
    const end = type.findCut(data, start, start)
    const cut = end < 0 ? data.length : end
    lengths.push(cut - start)
    start = cut
  }
  return lengths
}
