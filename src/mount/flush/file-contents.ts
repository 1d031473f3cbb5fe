import { Limiter } from '#base/limit.ts'
import type { ObjectId, ObjectManager } from '#repo/object/object.ts'
import { compressorFor, metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import type { Policy } from '#snapshot/policy/policy.ts'
import type { ObjectBatcher } from '#snapshot/upload/object-batch.ts'
import { type FrozenFile, readFully } from './members.ts'

const smallFileBytes = 1 << 20
const largeInFlight = 4
const smallInFlight = 64

/** What the policy says of how a file is stored. Files stored by equal settings have the same object. */
export function contentSettings(effective: Policy, name: string, sizeBytes: number) {
  return {
    partBytes: effective.upload.parallelUploadAboveSize ?? 0,
    options: {
      prefix: '',
      compressor: compressorFor(effective.compression, name, sizeBytes),
      metadataCompressor: metadataCompressorOf(effective),
      splitter: effective.splitter.algorithm ?? '',
    },
  }
}

/** Stores the contents of frozen files: small ones many at a time, large ones streamed, and of those that stand on stored objects only what
 *  was changed (spec 08, 4.8 step 4). */
export class FileContents {
  readonly #large = new Limiter(largeInFlight)
  readonly #small = new Limiter(smallInFlight)

  /** `check` throws to stop. */
  constructor(
    readonly objects: ObjectManager,
    readonly batcher: ObjectBatcher,
    readonly check: () => void,
  ) {}

  /** Throws what reading the file and the storage throw. */
  store(node: FrozenFile, name: string, effective: Policy): Promise<ObjectId> {
    const { sizeBytes } = node
    const { partBytes, options } = contentSettings(effective, name, sizeBytes)
    const stored = node.extents.flatMap((e) =>
      e.source === 'lower' && e.objectId !== undefined
        ? [{ offset: e.offset, length: e.length, objectId: e.objectId, storedOffset: e.lowerOffset ?? 0 }]
        : [],
    )
    const isSmall = sizeBytes < smallFileBytes && stored.length === 0 && !(partBytes > 0 && sizeBytes > partBytes)
    if (isSmall)
      return this.#small.run(async () => {
        this.check()
        return this.batcher.add(await readFully(node, 0, sizeBytes), options)
      })
    const read = async (into: Uint8Array, offset: number): Promise<number> => {
      this.check()
      const bytes = await node.read(offset, into.length)
      into.set(bytes)
      return bytes.length
    }
    return this.#large.run(async () => (await this.objects.compose({ sizeBytes, stored, partBytes, options, read })).objectId)
  }
}
