import { defineCommand, type Flag } from '#cli/flag.ts'
import { benchmarkKey, noise, printRows, type Row, timesPerSecond } from './timing.ts'

const flags = [
  { name: 'block-size', type: 'bytes', default: '1MB' },
  { name: 'repeat', type: 'uint', default: '100' },
  { name: 'deprecated', type: 'bool', hidden: true },
  { name: 'parallel', type: 'uint', default: '1' },
  { name: 'print-options', type: 'bool' },
] as const satisfies readonly Flag[]

/** Every hash with every cipher, as contents go through them. */
export const crypto = defineCommand({
  flags,
  async run(c, values) {
    const [{ createHasher, hashNames }, { cipherNames, createCipher }] = await Promise.all([
      import('#repo/crypto/hash.ts'),
      import('#repo/crypto/cipher.ts'),
    ])
    const data = noise(values['block-size'])
    const { repeat, parallel } = values
    const rows: Row[] = []
    for (const hash of hashNames)
      for (const name of cipherNames) {
        c.log.info(`Benchmarking hash '${hash}' and encryption '${name}'... (${repeat} x ${data.length} bytes, parallelism ${parallel})`)
        const hasher = await createHasher(hash, benchmarkKey)
        const cipher = createCipher({ encryption: name, masterKey: benchmarkKey, ecc: '', eccOverheadPercent: 0 })
        const rate = await timesPerSecond(repeat, parallel, async () => {
          const digest = await hasher.digestMany([data])
          await cipher.sealMany([data], [digest.subarray(-16)])
        })
        rows.push({
          name: `${hash.padEnd(20)} ${name}`,
          bytesPerSecond: rate * data.length,
          option: `--block-hash=${hash} --encryption=${name}`,
        })
      }
    printRows(c, `${'Hash'.padEnd(20)} Encryption`, 51, rows, values['print-options'] === true)
  },
})
