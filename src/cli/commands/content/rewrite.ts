import { requireDangerous } from '#cli/dangerous.ts'
import { CommandError } from '#cli/exit.ts'
import { contentRangeFlags, defineCommand } from '#cli/flag.ts'
import { rangeOf } from './range.ts'

export const rewrite = defineCommand({
  args: [{ name: 'contentID', type: 'string', repeated: true }],
  flags: [
    { name: 'parallelism', type: 'int', default: '16' },
    { name: 'short', type: 'bool', describe: 'Contents of packs that are mostly empty' },
    { name: 'format-version', type: 'int', default: '-1', describe: 'Contents of this format version' },
    { name: 'pack-prefix', type: 'string', describe: 'Only contents of packs whose names begin so' },
    { name: 'dry-run', short: 'n', type: 'bool' },
    ...contentRangeFlags,
    { name: 'safety', type: 'enum', values: ['full', 'none'], default: 'full' },
  ],
  async run(c, values) {
    const repository = await c.openDirect()
    requireDangerous(c)
    const [{ rewriteContents, selectForRewrite }, { safetyOf }, { requireWholeIndexes }, { parseContentId }] = await Promise.all([
      import('#repo/maintenance/rewrite.ts'),
      import('#repo/maintenance/safety.ts'),
      import('#repo/maintenance/indexes.ts'),
      import('#repo/content/content-id.ts'),
    ])
    const { contents, format, clock } = repository
    const { committed } = requireWholeIndexes(contents)
    const ids = values.contentID.map(parseContentId)
    for (const id of ids) if (!contents.info(id)) throw new CommandError(`content ${id} is not in the repository`)
    const version = values['format-version']
    const chosen = selectForRewrite(committed, format.maxPackSizeBytes, {
      ids,
      range: rangeOf(values),
      packPrefix: values['pack-prefix'] ?? '',
      shortPacks: values.short,
      ...(version >= 0 ? { formatVersion: version } : {}),
    })
    if (values['dry-run']) {
      for (const { id, packBlob, packedLength } of chosen)
        c.log.info(`Would rewrite content ${id} (${packedLength} bytes) of pack ${packBlob}`)
      return
    }
    const { rewritten, retained } = await rewriteContents(contents, chosen, {
      minAgeMs: safetyOf(values.safety).rewriteMinAgeMs,
      nowMs: clock.nowMs(),
      parallelism: Math.max(1, values.parallelism),
    })
    c.log.info(`Rewrote ${rewritten.count} contents (${c.sizes.bytes(rewritten.bytes)}); ${retained.count} are too young.`)
  },
})
