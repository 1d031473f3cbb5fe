import { contentRangeFlags, defineCommand } from '#cli/flag.ts'
import { Histogram } from '#cli/print/histogram.ts'
import { savedPercent } from '#cli/print/sizes.ts'
import { compressionName } from './compression-name.ts'
import { rangeOf } from './range.ts'

interface Method {
  count: number
  original: number
  packed: number
}

export const stats = defineCommand({
  flags: [{ name: 'raw', short: 'r', type: 'bool' }, ...contentRangeFlags],
  async run(c, values) {
    const repository = await c.openDirect()
    const print = values.raw ? String : (bytes: number) => c.sizes.bytes(bytes)
    const methods = new Map<number, Method>()
    const histogram = new Histogram()
    const sum: Method = { count: 0, original: 0, packed: 0 }
    for (const info of repository.contents.iterate(rangeOf(values), false)) {
      let method = methods.get(info.compressionHeader)
      if (!method) methods.set(info.compressionHeader, (method = { count: 0, original: 0, packed: 0 }))
      for (const m of [sum, method]) {
        m.count++
        m.original += info.originalLength
        m.packed += info.packedLength
      }
      histogram.add(info.packedLength)
    }
    c.io.out(`Count: ${sum.count}`)
    c.io.out(`Total Bytes: ${print(sum.original)}`)
    if (sum.packed < sum.original) c.io.out(`Total Packed: ${print(sum.packed)} (compression ${savedPercent(sum.original, sum.packed)})`)
    if (methods.size > 1) for (const line of methodLines(methods, print)) c.io.out(line)
    if (sum.count === 0) return
    c.io.out(`Average: ${print(Math.floor(sum.original / sum.count))}`)
    c.io.out('Histogram:\n')
    for (const row of histogram.rows(print)) c.io.out(row)
  },
})

function methodLines(methods: ReadonlyMap<number, Method>, print: (bytes: number) => string): string[] {
  const lines = ['By Method:']
  const plain = methods.get(0)
  if (plain) lines.push(`  ${'(uncompressed)'.padEnd(22)} count: ${plain.count} size: ${print(plain.original)}`)
  for (const [header, m] of methods) {
    if (header === 0) continue
    const sizes = `size: ${print(m.original)} packed: ${print(m.packed)} compression: ${savedPercent(m.original, m.packed)}`
    lines.push(`  ${compressionName(header).padEnd(22)} count: ${m.count} ${sizes}`)
  }
  return lines
}
