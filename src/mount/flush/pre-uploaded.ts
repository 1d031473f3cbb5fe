import type { Clock } from '#base/clock.ts'
import type { ObjectId, ObjectManager } from '#repo/object/object.ts'
import type { Policy } from '#snapshot/policy/policy.ts'
import { contentSettings } from './file-contents.ts'
import type { FrozenFile } from './members.ts'

interface Uploaded {
  readonly objectId: ObjectId
  readonly settings: string
  readonly atMs: number
}

/** Nothing refers to what was stored ahead: maintenance spares it for a day at least, and we trust it for half of that. */
const trustedMs = 12 * 3_600_000

const textOf = (effective: Policy, name: string, { sizeBytes }: FrozenFile): string =>
  JSON.stringify(contentSettings(effective, name, sizeBytes))

/** Contents of staged files that were stored before the flush which will refer to them. A file that was changed since is not found.
 *  Source: spec 08, 4.8. */
export class PreUploaded {
  readonly #known = new WeakMap<object, Uploaded>()

  constructor(
    private readonly objects: Pick<ObjectManager, 'isPresent'>,
    private readonly clock: Clock,
  ) {}

  has({ contentKey }: FrozenFile): boolean {
    return contentKey !== undefined && this.#known.has(contentKey)
  }

  note(node: FrozenFile, name: string, effective: Policy, objectId: ObjectId): void {
    if (node.contentKey === undefined) return
    this.#known.set(node.contentKey, { objectId, settings: textOf(effective, name, node), atMs: this.clock.nowMs() })
  }

  /** The object of a file as it is now, if it was stored by the same settings and is still there. */
  async find(node: FrozenFile, name: string, effective: Policy): Promise<ObjectId | undefined> {
    const found = node.contentKey && this.#known.get(node.contentKey)
    if (found === undefined || found.settings !== textOf(effective, name, node)) return undefined
    const ageMs = this.clock.nowMs() - found.atMs
    if (ageMs >= 0 && ageMs < trustedMs) return found.objectId
    return (await this.objects.isPresent(found.objectId)) ? found.objectId : undefined
  }
}
