import { messageOf } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { contentRangeFlags, defineCommand } from '#cli/flag.ts'
import type { ContentInfo } from '#repo/content/store.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
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
    const repository = await c.openDirect()
    const packs = await listBlobs(c, repository)
    c.log.info('Verifying contents...')
    const check = new ContentCheck(c, repository, packs, values.full ? 100 : (values['download-percent'] ?? 0), values['progress-interval'])
    const contents = repository.contents.iterate(rangeOf(values), values['include-deleted'])
    await mapLimited(contents, Math.max(1, values.parallel), (info) => check.verify(info))
    c.log.info('Finished verifying contents')
    check.report()
  },
})

async function listBlobs(c: CommandContext, repository: DirectRepository): Promise<ReadonlyMap<string, number>> {
  c.log.info('Listing blobs...')
  const sizes = new Map<string, number>()
  for await (const { id, sizeBytes } of repository.blobs.list('')) {
    sizes.set(id, sizeBytes)
    if (sizes.size % listReportEvery === 0) c.log.info(`  ${sizes.size} blobs...`)
  }
  c.log.info(`Listed ${sizes.size} blobs.`)
  return sizes
}

/** Looks at each content: does its pack exist, is it long enough, and, for some or all, does it read (spec 06, 14.2). */
class ContentCheck {
  #verified = 0
  #errors = 0
  #missing = 0
  #truncated = 0
  #unreadable = 0
  #read = 0
  #reportedMs = 0
  readonly #missingPacks = new Set<string>()
  readonly #truncatedPacks = new Set<string>()
  readonly #corruptPacks = new Map<string, number>()

  constructor(
    readonly c: CommandContext,
    readonly repository: DirectRepository,
    readonly packs: ReadonlyMap<string, number>,
    readonly readPercent: number,
    readonly progressNs: bigint,
  ) {}

  async verify(info: ContentInfo): Promise<void> {
    await this.#verify(info)
    this.#verified++
    const now = this.repository.clock.nowMs()
    if (now - this.#reportedMs < Number(this.progressNs / 1_000_000n)) return
    this.#reportedMs = now
    this.c.log.info(`  Verified ${this.#verified} contents, ${this.#errors} errors, estimating...`)
  }

  async #verify(info: ContentInfo): Promise<void> {
    const size = this.packs.get(info.packBlob)
    if (size === undefined) {
      this.#missing++
      this.#missingPacks.add(info.packBlob)
      return this.#fail(`content ${info.id} depends on missing blob ${info.packBlob}`)
    }
    if (info.packOffset + info.packedLength > size) {
      this.#truncated++
      this.#truncatedPacks.add(info.packBlob)
      return this.#fail(`content ${info.id} out of bounds of its pack blob ${info.packBlob}`)
    }
    if (this.readPercent < 100 && Math.random() * 100 >= this.readPercent) return
    this.#read++
    try {
      await this.repository.contents.get(info.id)
    } catch (error) {
      this.#unreadable++
      this.#corruptPacks.set(info.packBlob, (this.#corruptPacks.get(info.packBlob) ?? 0) + 1)
      this.#fail(`content ${info.id} is invalid: ${messageOf(error)}`)
    }
  }

  #fail(message: string): void {
    this.#errors++
    this.c.log.error(message)
  }

  /** Logs the counters; throws CommandError naming what is wrong. */
  report(): void {
    const counters = {
      verifiedContents: this.#verified,
      totalErrorCount: this.#errors,
      contentsInMissingPacks: this.#missing,
      contentsInTruncatedPacks: this.#truncated,
      unreadableContents: this.#unreadable,
      readContents: this.#read,
      missingPacks: this.#missingPacks.size,
      truncatedPacks: this.#truncatedPacks.size,
      corruptedPacks: this.#corruptPacks.size,
    }
    this.c.log.info(`verifyCounters:\t${JSON.stringify(counters)}`)
    for (const pack of this.#missingPacks) this.c.log.error(`missing blob ${pack}`)
    for (const [packID, count] of this.#corruptPacks)
      this.c.log.error(`corruptedPack\t${JSON.stringify({ packID, numberOfReferencedContents: count })}`)
    if (this.#errors === 0) return
    const faults = [
      this.#missing > 0 ? `${this.#missing} in missing pack blobs` : '',
      this.#truncated > 0 ? `${this.#truncated} behind the end of their pack blobs` : '',
      this.#unreadable > 0 ? `${this.#unreadable} unreadable` : '',
    ].filter((f) => f !== '')
    throw new CommandError(`verify contents: encountered ${this.#errors} errors: contents ${faults.join(', ')}`)
  }
}
