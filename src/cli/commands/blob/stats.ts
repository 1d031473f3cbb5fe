import { defineCommand } from '#cli/flag.ts'
import { Histogram } from '#cli/print/histogram.ts'

const reportEvery = 10_000

export const stats = defineCommand({
  flags: [
    { name: 'raw', short: 'r', type: 'bool' },
    { name: 'prefix', type: 'string' },
  ],
  async run(c, values) {
    const repository = await c.openDirect()
    const print = values.raw ? String : (bytes: number) => c.sizes.bytes(bytes)
    const histogram = new Histogram()
    let count = 0
    let total = 0
    for await (const blob of repository.blobs.list(values.prefix ?? '')) {
      histogram.add(blob.sizeBytes)
      total += blob.sizeBytes
      if (++count % reportEvery === 0) c.log.info(`Got ${count} blobs...`)
    }
    c.io.out(`Count: ${count}`)
    c.io.out(`Total: ${print(total)}`)
    if (count === 0) return
    c.io.out(`Average: ${print(Math.floor(total / count))}`)
    c.io.out('Histogram:\n')
    for (const row of histogram.rows(print)) c.io.out(row)
  },
})
