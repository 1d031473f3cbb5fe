import { defineCommand, type Flag } from '#cli/flag.ts'
import { noise, timesPerSecond } from './timing.ts'

const flags = [
  { name: 'block-size', type: 'bytes', default: '10MB' },
  { name: 'repeat', type: 'uint', default: '100' },
  { name: 'parallel', type: 'uint', default: '1' },
  { name: 'print-options', type: 'bool' },
] as const satisfies readonly Flag[]

const overheads = [1, 2, 5, 10, 20]
const line = '-'.repeat(87)

export const ecc = defineCommand({
  flags,
  async run(c, values) {
    const { createEcc, eccNames } = await import('#repo/crypto/ecc-layout.ts')
    const data = noise(values['block-size'])
    const rows: { label: string; encode: number; decode: number; growth: number; option: string }[] = []
    for (const name of eccNames)
      for (const percent of overheads) {
        const code = createEcc(name, percent)
        const how = `with ${percent} space overhead... (${values.repeat} x ${data.length} bytes, parallelism ${values.parallel})`
        c.log.info(`Benchmarking ECC encoding '${name}' ${how}`)
        const encode = data.length * (await timesPerSecond(values.repeat, values.parallel, () => code.encode(data)))
        const stored = code.encode(data)
        c.log.info(`Benchmarking ECC decoding '${name}' ${how}`)
        const decode = data.length * (await timesPerSecond(values.repeat, values.parallel, () => code.decode(stored)))
        const option = `--ecc=${name} --ecc-overhead-percent=${percent}`
        rows.push({ label: `${name} - ${percent}%`, encode, decode, growth: stored.length, option })
      }
    rows.sort((a, b) => b.encode - a.encode)
    c.io.out(`     ${'ECC'.padEnd(30)} ${'Throughput'.padStart(14)} ${'Throughput'.padStart(14)}       Growth`)
    c.io.out(`     ${''.padEnd(30)} ${'Encoding'.padStart(14)} ${'Decoding'.padStart(14)}         `)
    c.io.out(line)
    for (const [i, { label, encode, decode, growth, option }] of rows.entries()) {
      const percent = Math.round(((growth - data.length) * 100) / data.length)
      const speeds = `${c.sizes.speed(encode).padStart(14)} ${c.sizes.speed(decode).padStart(14)}`
      const size = `${`${percent}%`.padStart(9)} [${c.sizes.bytes(growth)}]`
      c.io.out(`${String(i).padStart(3)}. ${label.padEnd(30)} ${speeds} ${size}${values['print-options'] ? `,   ${option}` : ''}`)
    }
    c.io.out(line)
    if (rows[0]) c.io.out(`Fastest option for this machine is: ${rows[0].option}`)
  },
})
