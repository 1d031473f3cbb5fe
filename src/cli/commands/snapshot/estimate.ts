import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { goDuration } from '#cli/print/duration.ts'
import type { SizeBucket } from '#snapshot/estimate.ts'

export const estimate = defineCommand({
  args: [{ name: 'source', type: 'existingFileOrDir', required: true }],
  flags: [
    { name: 'show-files', type: 'bool' },
    { name: 'quiet', short: 'q', type: 'bool' },
    { name: 'upload-speed', type: 'float', default: '10', placeholder: 'mbit/s' },
    { name: 'max-examples-per-bucket', type: 'int', default: '10' },
  ],
  async run(c, values) {
    const path = resolve(values.source)
    if (!statSync(path).isDirectory()) throw new CommandError(`invalid path: '${path}': must be a directory`)
    const [library, { policyTreeFor }, { localSource }] = await Promise.all([
      import('#snapshot/estimate.ts'),
      import('#snapshot/policy/store.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    const repository = await c.open()
    const source = localSource(path, { user: repository.client.username, host: repository.client.hostname })
    if (!values.quiet) c.log.info(`Analyzing ${path}...`)
    const result = await library.estimate(path, await policyTreeFor(repository, source), {
      maxExamples: values['max-examples-per-bucket'],
      onError: (at, error) => c.log.error(`${at}: ${messageOf(error)}`),
    })
    c.io.out(`Snapshot includes ${result.includedCount} file(s), total size ${c.sizes.bytes(result.includedBytes)}`)
    printBuckets(c, result.included, values['show-files'])
    c.io.out('')
    if (result.excludedCount === 0) c.io.out('Snapshot excludes no files.')
    else {
      c.io.out(`Snapshot excludes ${result.excludedCount} file(s), total size ${c.sizes.bytes(result.excludedBytes)}`)
      printBuckets(c, result.excluded, true)
    }
    if (result.excludedDirectoryCount === 0) c.io.out('Snapshot excludes no directories.')
    else {
      c.io.out(`Snapshot excludes ${result.excludedDirectoryCount} directories. Examples:`)
      for (const directory of result.excludedDirectories) c.io.out(` - ${directory}`)
    }
    if (result.errorCount > 0) c.io.out(`Encountered ${result.errorCount} error(s).`)
    c.io.out('')
    const speed = values['upload-speed']
    const seconds = Math.trunc((result.includedBytes * 8) / 1_000_000 / speed)
    c.io.out(`Estimated upload time: ${goDuration(BigInt(seconds) * 1_000_000_000n)} at ${speed} Mbit/s`)
  },
})

function printBuckets(c: CommandContext, buckets: readonly SizeBucket[], withExamples: boolean): void {
  buckets.forEach((bucket, i) => {
    if (bucket.count === 0) return
    const size = c.sizes.bytes(bucket.minBytes)
    const above = buckets[i - 1]
    const range = above ? `${size.padEnd(6)}...${c.sizes.bytes(above.minBytes).padStart(6)}` : `< ${size.padEnd(6)}`
    c.io.out(`${range.padStart(18)}: ${String(bucket.count).padStart(7)} files, total size ${c.sizes.bytes(bucket.totalBytes)}`)
    if (withExamples) for (const { path, sizeBytes } of bucket.examples) c.io.out(` - ${path} - ${c.sizes.bytes(sizeBytes)}`)
  })
}
