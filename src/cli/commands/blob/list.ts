import { jsonTime } from '#base/go-json.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { nsOfMs } from '#cli/print/times.ts'

const notData = ['n', 'x', '_log_', 'kopia.']

export const list = defineCommand({
  flags: [
    { name: 'prefix', type: 'string' },
    { name: 'exclude-prefix', type: 'string', repeated: true },
    { name: 'min-size', type: 'int64' },
    { name: 'max-size', type: 'int64' },
    { name: 'data-only', type: 'bool' },
    ...jsonFlags,
  ],
  async run(c, values) {
    const { JsonList } = await import('#cli/print/json.ts')
    const repository = await c.openDirect()
    const excluded = [...values['exclude-prefix'], ...(values['data-only'] ? notData : [])]
    const least = values['min-size'] ?? 0
    const most = values['max-size'] || Number.POSITIVE_INFINITY
    const json = values.json ? new JsonList(c.io, values['json-indent']) : undefined
    try {
      for await (const blob of repository.blobs.list(values.prefix ?? '')) {
        if (blob.sizeBytes < least || blob.sizeBytes > most || excluded.some((p) => blob.id.startsWith(p))) continue
        const ns = nsOfMs(blob.modifiedMs)
        if (json) json.add({ id: blob.id, length: blob.sizeBytes, timestamp: jsonTime(ns) })
        else c.io.out(`${blob.id.padEnd(70)} ${String(blob.sizeBytes).padStart(10)} ${c.times.seconds(ns)}`)
      }
    } finally {
      json?.end()
    }
  },
})
