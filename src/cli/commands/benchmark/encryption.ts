import { defineCommand, type Flag } from '#cli/flag.ts'
import { benchmarkKey, noise, printRows, type Row, timesPerSecond } from './timing.ts'

const flags = [
  { name: 'block-size', type: 'bytes', default: '1MB' },
  { name: 'repeat', type: 'uint', default: '1000' },
  { name: 'deprecated', type: 'bool', hidden: true },
  { name: 'parallel', type: 'uint', default: '1' },
  { name: 'print-options', type: 'bool' },
] as const satisfies readonly Flag[]

export const encryption = defineCommand({
  flags,
  async run(c, values) {
    const { cipherNames, createCipher } = await import('#repo/crypto/cipher.ts')
    const data = noise(values['block-size'])
    const identity = noise(16)
    const rows: Row[] = []
    for (const name of cipherNames) {
      c.log.info(`Benchmarking encryption '${name}'... (${values.repeat} x ${data.length} bytes, parallelism ${values.parallel})`)
      const cipher = createCipher({ encryption: name, masterKey: benchmarkKey, ecc: '', eccOverheadPercent: 0 })
      const rate = await timesPerSecond(values.repeat, values.parallel, () => cipher.sealMany([data], [identity]))
      rows.push({ name, bytesPerSecond: rate * data.length, option: `--encryption=${name}` })
    }
    printRows(c, 'Encryption', 30, rows, values['print-options'] === true)
  },
})
