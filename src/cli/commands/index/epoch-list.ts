import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { wholeSeconds } from '#cli/print/duration.ts'
import { nsOfMs } from '#cli/print/times.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'

export const epochList = defineCommand({
  async run(c) {
    const repository = await c.openDirect()
    if (!repository.format.epochs.enabled) throw new CommandError('epoch manager is not active')
    const { readEpochState } = await import('#repo/content/epoch/refresh.ts')
    const state = await readEpochState(repository.blobs, repository.format.epochs, () => repository.clock.nowMs())
    c.io.out(`Current Epoch: ${state.writeEpoch}`)
    const marker = await repository.blobs.stat(`xe${state.writeEpoch}`).catch(() => undefined)
    if (marker) c.io.out(`Epoch Started  ${c.times.seconds(nsOfMs(marker.modifiedMs))}`)
    for (const [epoch, blobs] of [...state.uncompacted].sort(([a], [b]) => b - a)) if (blobs.length > 0) c.io.out(epochRow(c, epoch, blobs))
    for (const [epoch, blobs] of [...state.single].sort(([a], [b]) => b - a))
      if (epoch >= state.firstAfterChain)
        c.io.out(`${epoch}: ${c.times.seconds(newest(blobs))} single-epoch ${blobs.length} blobs, ${c.sizes.bytes(totalOf(blobs))}`)
    for (const { first, last, blobs } of state.ranges)
      c.io.out(`${first}-${last}: range, ${blobs.length} blobs, ${c.sizes.bytes(totalOf(blobs))}`)
  },
})

const newest = (blobs: readonly BlobInfo[]): bigint => nsOfMs(Math.max(...blobs.map((b) => b.modifiedMs)))
const totalOf = (blobs: readonly BlobInfo[]): number => blobs.reduce((sum, b) => sum + b.sizeBytes, 0)

function epochRow(c: CommandContext, epoch: number, blobs: readonly BlobInfo[]): string {
  const first = nsOfMs(Math.min(...blobs.map((b) => b.modifiedMs)))
  const last = newest(blobs)
  const range = `${c.times.seconds(first)} ... ${c.times.seconds(last)}`
  return `${epoch} ${range}, ${blobs.length} blobs, ${c.sizes.bytes(totalOf(blobs))}, span ${wholeSeconds(last - first, 'round')}`
}
