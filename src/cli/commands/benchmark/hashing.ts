import { defineCommand, type Flag } from '#cli/flag.ts'
import { benchmarkKey, noise, printRows, type Row, timesPerSecond } from './timing.ts'

const flags = [
  { name: 'block-size', type: 'bytes', default: '1MB' },
  { name: 'repeat', type: 'uint', default: '100' },
  { name: 'parallel', type: 'uint', default: '1' },
  { name: 'print-options', type: 'bool' },
] as const satisfies readonly Flag[]

export const hashing = defineCommand({
  flags,
  async run(c, values) {
    const { createHasher, hashNames } = await import('#repo/crypto/hash.ts')
    const data = noise(values['block-size'])
    const rows: Row[] = []
    for (const name of hashNames) {
      c.log.info(`Benchmarking hash '${name}' (${values.repeat} x ${data.length} bytes, parallelism ${values.parallel})`)
      const hasher = await createHasher(name, benchmarkKey)
      const rate = await timesPerSecond(values.repeat, values.parallel, () => hasher.digestMany([data]))
      rows.push({ name, bytesPerSecond: rate * data.length, option: `--block-hash=${name}` })
    }
    printRows(c, 'Hash', 20, rows, values['print-options'] === true)
  },
})
