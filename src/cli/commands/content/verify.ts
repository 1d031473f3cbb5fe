import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { contentRangeFlags, defineCommand } from '#cli/flag.ts'
import type { BlobInfo, BlobReader } from '#repo/blob/storage.ts'
import type { ContentInfo } from '#repo/content/content-info.ts'
import type { ContentFault, VerifyResult } from '#repo/content/verify.ts'
import { rangeOf } from './range.ts'

const listReportEvery = 10_000

export const verify = defineCommand({
  flags: [
    { name: 'parallel', type: 'int', default: '16' },
    { name: 'full', type: 'bool' },
    { name: 'include-deleted', type: 'bool' },
    { name: 'download-percent', type: 'float' },
    { name: 'progress-interval', type: 'duration', default: '3s' },
    ...contentRangeFlags,
  ],
  async run(c, values) {
    const { verifyContents } = await import('#repo/content/verify.ts')
    const repository = await c.openDirect()
    const blobs = await listBlobs(c, repository.blobs)
    c.log.info('Verifying contents...')
    const faults = new Faults(c)
    const intervalMs = Number(values['progress-interval'] / 1_000_000n)
    let reportedMs = 0
    const result = await verifyContents(repository.contents, blobs, {
      range: rangeOf(values),
      includeDeleted: values['include-deleted'],
      readPercent: values.full ? 100 : (values['download-percent'] ?? 0),
      parallelism: Math.max(1, values.parallel),
      onError: (id, message, fault, info) => faults.add(id, message, fault, info),
      onProgress: (checked) => {
        const now = repository.clock.nowMs()
        if (now - reportedMs < intervalMs) return
        reportedMs = now
        c.log.info(`  Verified ${checked} contents, ${faults.count} errors, estimating...`)
      },
    })
    c.log.info('Finished verifying contents')
    faults.report(result)
  },
})

/** Lists the storage once, telling how far it has come; the listing then serves as the storage to check against. */
async function listBlobs(c: CommandContext, storage: BlobReader): Promise<BlobReader> {
  c.log.info('Listing blobs...')
  const blobs: BlobInfo[] = []
  for await (const blob of storage.list('')) {
    blobs.push(blob)
    if (blobs.length % listReportEvery === 0) c.log.info(`  ${blobs.length} blobs...`)
  }
  c.log.info(`Listed ${blobs.length} blobs.`)
  return {
    get: (id, range) => storage.get(id, range),
    stat: (id) => storage.stat(id),
    async *list(prefix) {
      for (const blob of blobs) if (blob.id.startsWith(prefix)) yield blob
    },
  }
}

/** What has been found wrong, by kind and pack. */
class Faults {
  count = 0
  readonly #contents: Record<ContentFault, number> = { 'missing pack': 0, 'truncated pack': 0, unreadable: 0 }
  readonly #packs: Record<ContentFault, Map<string, number>> = {
    'missing pack': new Map(),
    'truncated pack': new Map(),
    unreadable: new Map(),
  }

  constructor(readonly c: CommandContext) {}

  add(id: string, message: string, fault: ContentFault, { packBlob }: ContentInfo): void {
    this.count++
    this.#contents[fault]++
    this.#packs[fault].set(packBlob, (this.#packs[fault].get(packBlob) ?? 0) + 1)
    if (fault === 'missing pack') this.c.log.error(`content ${id} depends on missing blob ${packBlob}`)
    else if (fault === 'truncated pack') this.c.log.error(`content ${id} out of bounds of its pack blob ${packBlob}`)
    else this.c.log.error(`content ${id} is invalid: ${message}`)
  }

  /** Logs the counters; throws CommandError naming what is wrong. */
  report(result: VerifyResult): void {
    const counters = {
      verifiedContents: result.checked,
      totalErrorCount: result.errors,
      contentsInMissingPacks: this.#contents['missing pack'],
      contentsInTruncatedPacks: this.#contents['truncated pack'],
      unreadableContents: this.#contents.unreadable,
      readContents: result.read,
      missingPacks: this.#packs['missing pack'].size,
      truncatedPacks: this.#packs['truncated pack'].size,
      corruptedPacks: this.#packs.unreadable.size,
    }
    this.c.log.info(`verifyCounters:\t${JSON.stringify(counters)}`)
    for (const [packID, count] of this.#packs.unreadable)
      this.c.log.error(`corruptedPack\t${JSON.stringify({ packID, numberOfReferencedContents: count })}`)
    if (result.errors === 0) return
    const found = (Object.keys(this.#contents) as ContentFault[])
      .filter((f) => this.#contents[f] > 0)
      .map((f) => `${this.#contents[f]} ${f}`)
    throw new CommandError(`verify contents: encountered ${result.errors} errors: ${found.join(', ')}`)
  }
}
