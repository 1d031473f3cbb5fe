import { UsageError } from '#base/errors.ts'
import { jsonTime, sortedMap } from '#base/go-json.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import type { Labels, ManifestInfo } from '#repo/manifest/manifest.ts'

export const list = defineCommand({
  flags: [{ name: 'filter', type: 'string', repeated: true }, { name: 'sort', type: 'string', repeated: true }, ...jsonFlags],
  async run(c, values) {
    const filter = parseFilter(values.filter)
    const { JsonList } = await import('#cli/print/json.ts')
    const found = await (await c.open()).manifests.find(filter)
    const sorted = found.toSorted(byLabelsThenTime(values.sort))
    if (values.json) {
      const json = new JsonList(c.io, values['json-indent'])
      for (const m of sorted) json.add({ id: m.id, length: m.sizeBytes, labels: sortedMap(m.labels), mtime: jsonTime(m.modifiedNs) })
      json.end()
      return
    }
    for (const m of sorted) {
      const others = Object.entries(m.labels).filter(([key]) => key !== 'type')
      const labels = others.map(([key, value]) => `${key}:${value}`).sort(compareBytes)
      const size = String(m.sizeBytes).padStart(10)
      c.io.out(`${m.id} ${size} ${c.times.seconds(m.modifiedNs)} type:${m.labels['type'] ?? ''} ${labels.join(' ')}`)
    }
  },
})

const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** `key:value` words as labels. Throws CommandError for a word without a key or a colon. */
function parseFilter(words: readonly string[]): Labels {
  const labels: Record<string, string> = {}
  for (const word of words) {
    const colon = word.indexOf(':')
    if (colon <= 0) throw new CommandError(`invalid filter "${word}": it must have the form key:value`)
    labels[word.slice(0, colon)] = word.slice(colon + 1)
  }
  return labels
}

function byLabelsThenTime(keys: readonly string[]): (a: ManifestInfo, b: ManifestInfo) => number {
  if (keys.includes('')) throw new UsageError('a sort key must not be empty')
  return (a, b) => {
    for (const key of keys) {
      const order = compareBytes(a.labels[key] ?? '', b.labels[key] ?? '')
      if (order !== 0) return order
    }
    return a.modifiedNs < b.modifiedNs ? -1 : a.modifiedNs > b.modifiedNs ? 1 : 0
  }
}
