import { jsonTime } from '#base/go-json.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { JsonList } from '#cli/print/json.ts'
import { nsOfMs } from '#cli/print/times.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import { indexBlobs } from './indexes.ts'

const byName = (a: BlobInfo, b: BlobInfo): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

const orders: Readonly<Record<string, (a: BlobInfo, b: BlobInfo) => number>> = {
  time: (a, b) => a.modifiedMs - b.modifiedMs || byName(a, b),
  size: (a, b) => a.sizeBytes - b.sizeBytes || byName(a, b),
  name: byName,
}

export const list = defineCommand({
  flags: [
    { name: 'summary', type: 'bool' },
    { name: 'superseded', type: 'bool' },
    { name: 'sort', type: 'enum', values: ['time', 'size', 'name'], default: 'time' },
    ...jsonFlags,
  ],
  async run(c, values) {
    const repository = await c.openDirect()
    const blobs = (await indexBlobs(repository, values.superseded)).sort(orders[values.sort])
    const json = values.json ? new JsonList(c.io, values['json-indent']) : undefined
    for (const blob of blobs) {
      const ns = nsOfMs(blob.modifiedMs)
      if (json) json.add({ id: blob.id, length: blob.sizeBytes, timestamp: jsonTime(ns), Superseded: null })
      else c.io.out(`${blob.id.padEnd(60)} ${String(blob.sizeBytes).padStart(10)} ${c.times.milliseconds(ns)} []`)
    }
    json?.end()
    if (values.summary && !json) c.io.out(`total ${blobs.length} indexes`)
  },
})
