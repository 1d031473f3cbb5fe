import { messageOf, systemCode } from '#base/errors.ts'
import { FuseError } from '#fuse/errno.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { policyTreeFor } from '#snapshot/policy/store.ts'
import { ObjectBatcher } from '#snapshot/upload/object-batch.ts'
import type { Staging } from '../staging/staging.ts'
import { type Candidate, candidates } from './candidates.ts'
import { FileContents } from './file-contents.ts'
import type { FrozenFile } from './members.ts'
import { PreUploaded } from './pre-uploaded.ts'

export interface PreUploadOptions {
  readonly source: SourceInfo
  readonly keepRubbish: boolean
  /** Told what a person should know and is no error. */
  readonly note?: ((line: string) => void) | undefined
  readonly delayMs?: number
}

const usualDelayMs = 1_000
const idleDelayMs = 5_000
const retryMs = 60_000
/** Bytes that one round stores at most, before it makes them durable. */
const roundBytes = 1 << 30

class StoppedError extends Error {}

/** Stores contents of staged files that nobody is writing, so that the flush which makes room in a full spool has little left to do. What is
 *  stored so has no manifest yet: nothing of it leaves the spool before the flush. Source: spec 08, 4.8 and 4.9. */
export class PreUploader {
  readonly uploaded: PreUploaded
  /** What was stored ahead since the mount began. */
  files = 0
  bytes = 0
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #isStopped = false

  constructor(
    private readonly repository: Repository,
    private readonly staging: Staging,
    private readonly options: PreUploadOptions,
  ) {
    this.uploaded = new PreUploaded(repository.objects, repository.clock)
  }

  /** The spool is fuller than it should be: a round begins soon, unless one runs. */
  wake(delayMs = this.options.delayMs ?? usualDelayMs): void {
    if (this.#isStopped || this.#round !== undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#round = this.#run()
    }, delayMs)
    this.#timer.unref()
  }

  /** No rounds from now on; resolves when the one that runs has ended. `go` lets them come again. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#round
  }

  go(): void {
    this.#isStopped = false
  }

  async #run(): Promise<void> {
    let again: number | undefined
    try {
      const stored = await this.#storeSome()
      again = stored > 0 ? undefined : this.staging.usage().openWriters > 0 ? idleDelayMs : Number.POSITIVE_INFINITY
    } catch (error) {
      again = retryMs
      if (!(error instanceof StoppedError))
        this.options.note?.(`staged files could not be uploaded ahead of the flush: ${messageOf(error)} They are kept; it is tried again.`)
    } finally {
      this.#round = undefined
    }
    if (again !== Number.POSITIVE_INFINITY) this.wake(again)
  }

  /** Returns how many files were stored. */
  async #storeSome(): Promise<number> {
    const found = await this.#candidates()
    const check = (): void => {
      if (this.#isStopped) throw new StoppedError()
    }
    const { objects } = this.repository
    const batcher = new ObjectBatcher(objects)
    const contents = new FileContents(objects, batcher, check)
    const chosen: Candidate[] = []
    let bytes = 0
    for (const candidate of found) {
      if (bytes >= roundBytes) break
      chosen.push(candidate)
      bytes += candidate.node.sizeBytes
    }
    const files = this.files
    const results = await Promise.allSettled(chosen.map((c) => this.#store(contents, c)))
    check()
    if (this.files > files) await this.repository.flush()
    const failed = results.find((r) => r.status === 'rejected' && !isOfSpool(r.reason))
    if (failed?.status === 'rejected' && this.files === files) throw failed.reason
    return this.files - files
  }

  async #candidates(): Promise<Candidate[]> {
    const { source, keepRubbish } = this.options
    const policyTree = await policyTreeFor(this.repository, source)
    const point = this.staging.freeze()
    try {
      const isWanted = (node: FrozenFile): boolean => node.extents.some((e) => e.source === 'spool') && !this.uploaded.has(node)
      return await candidates({ repository: this.repository, root: point.root, policyTree, keepRubbish, isWanted })
    } finally {
      point.abandon()
    }
  }

  /** A file that is changed meanwhile may give an object that is no moment of it: then it is not found when it is looked for. */
  async #store(contents: FileContents, { node, name, effective }: Candidate): Promise<void> {
    const objectId = await contents.store(node, name, effective)
    this.uploaded.note(node, name, effective, objectId)
    this.files++
    this.bytes += node.sizeBytes
  }
}

/** The file was cut or removed while it was read: if not, the flush will say so. */
const isOfSpool = (error: unknown): boolean => error instanceof FuseError || systemCode(error) === 'ENOENT'
