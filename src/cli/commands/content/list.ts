import { contentRangeFlags, defineCommand, jsonFlags } from '#cli/flag.ts'
import { JsonList } from '#cli/print/json.ts'
import { savedPercent } from '#cli/print/sizes.ts'
import type { ContentInfo } from '#repo/content/content-info.ts'
import { compressionName } from './compression-name.ts'
import { rangeOf } from './range.ts'

export const list = defineCommand({
  flags: [
    { name: 'long', short: 'l', type: 'bool' },
    { name: 'compression', short: 'c', type: 'bool' },
    { name: 'deleted', type: 'bool' },
    { name: 'deleted-only', type: 'bool' },
    { name: 'summary', short: 's', type: 'bool' },
    { name: 'human', short: 'h', type: 'bool' },
    ...contentRangeFlags,
    ...jsonFlags,
  ],
  async run(c, values) {
    const repository = await c.openDirect()
    const size = values.human ? (bytes: number) => c.sizes.bytes(bytes) : String
    const json = values.json ? new JsonList(c.io, values['json-indent']) : undefined
    let count = 0
    let total = 0
    for (const info of repository.contents.iterate(rangeOf(values), values.deleted || values['deleted-only'])) {
      if (values['deleted-only'] && !info.deleted) continue
      count++
      total += info.packedLength
      if (json) json.add(contentJson(info))
      else if (values.compression) c.io.out(compressionRow(info, size))
      else if (values.long) c.io.out(longRow(info, size, c.times.seconds(BigInt(info.timestampSeconds) * 1_000_000_000n)))
      else c.io.out(info.id)
      if (count % 1000 === 0) await c.io.drained()
    }
    if (values.summary) c.io.out(`Total: ${values.human ? c.sizes.count(count) : count} contents, ${size(total)} total size`)
    json?.end()
  },
})

const contentJson = (info: ContentInfo) => ({
  packFile: info.packBlob || undefined,
  time: info.timestampSeconds,
  originalLength: info.originalLength,
  length: info.packedLength,
  packOffset: info.packOffset || undefined,
  compression: info.compressionHeader || undefined,
  contentID: info.id,
  deleted: info.deleted,
  formatVersion: info.formatVersion,
  encryptionKeyID: info.encryptionKeyId || undefined,
})

function compressionText(info: ContentInfo): string {
  if (info.compressionHeader === 0) return '-'
  const name = compressionName(info.compressionHeader)
  return info.originalLength > 0 ? `${name} ${savedPercent(info.originalLength, info.packedLength)}` : name
}

const deletedText = (info: ContentInfo): string => (info.deleted ? ' (deleted)' : '')

function longRow(info: ContentInfo, size: (bytes: number) => string, time: string): string {
  const place = `${info.packBlob} ${info.packOffset}+${size(info.packedLength)}`
  return `${info.id} ${info.originalLength} ${time} ${place}${deletedText(info)} ${compressionText(info)}`
}

const compressionRow = (info: ContentInfo, size: (bytes: number) => string): string =>
  `${info.id} length ${size(info.originalLength)} packed ${size(info.packedLength)} ${compressionText(info)} ${deletedText(info)}`
