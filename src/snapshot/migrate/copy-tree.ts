import { CancelledError, messageOf } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import type { ObjectId, ObjectReader, ObjectWriterOptions } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { addOwnFailures } from '#snapshot/fix/own-failures.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { compressorFor, metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import { type IgnoreContext, outermostContext, whyHidden } from '#snapshot/tree/ignore-rules.ts'
import { directoryId, readStoredDirectory, type StoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { directoryObjectOptions, symlinkObjectOptions } from '#snapshot/upload/entry-options.ts'
import { DirectoryInProgress } from '#snapshot/upload/in-progress.ts'
import { ObjectBatcher } from '#snapshot/upload/object-batch.ts'
import { EntryReadError } from '#snapshot/upload/read-error.ts'
import { SummaryBuilder } from '#snapshot/upload/summary.ts'
import { EarlierDirectories } from './earlier.ts'
import { enterStoredDirectory } from './stored-rules.ts'

export interface CopyOptions {
  /** Ignore rules of the target's policies are applied on the way. */
  readonly appliesRules: boolean
  /** Files of one directory copied at once. */
  readonly parallel: number
  readonly signal?: AbortSignal | undefined
  readonly onFile?: (path: string, sizeBytes: number) => void
  readonly onFailure?: (path: string, error: unknown) => void
}

/** One directory on its way. */
interface Step {
  readonly entry: DirectoryEntry
  readonly path: string
  readonly policy: PolicyTree
  readonly rules: IgnoreContext
  readonly previous: readonly ObjectId[]
  readonly ancestors: readonly string[]
  readonly progress: DirectoryInProgress
}

const pieceBytes = 1 << 20
const maxLinkBytes = 1 << 16

/** Copies trees from one repository to another. Whatever has been copied is not read again: equal files, and, unless rules are applied,
 *  equal directories. Source: spec 07, 7.7.4. */
export class TreeCopier {
  readonly #batcher: ObjectBatcher
  readonly #files = new Map<string, Promise<Pick<DirectoryEntry, 'objectId' | 'sizeBytes'>>>()
  readonly #directories = new WeakMap<PolicyTree, Map<string, Pick<DirectoryEntry, 'objectId' | 'summary'>>>()

  constructor(
    readonly from: Repository,
    readonly to: Repository,
    readonly options: CopyOptions,
  ) {
    this.#batcher = new ObjectBatcher(to.objects)
  }

  /** The root entry in the target repository. `previous`: directories there to take unchanged files from. Throws EntryReadError when the
   *  root cannot be read, CancelledError, and errors of writing. */
  async copyRoot(
    root: DirectoryEntry,
    policy: PolicyTree,
    previous: readonly ObjectId[],
    progress: DirectoryInProgress,
  ): Promise<DirectoryEntry> {
    if (root.type === 'd')
      return this.#copyDirectory({ entry: root, path: '', policy, rules: outermostContext, previous, ancestors: [], progress })
    const copied = { ...root, ...(await this.#copyFile(root, policy)) }
    this.options.onFile?.('', copied.sizeBytes)
    return copied
  }

  async #copyDirectory(step: Step): Promise<DirectoryEntry> {
    const { entry, policy } = step
    const known = this.#directories.get(policy)?.get(entry.objectId)
    if (known) return { ...entry, ...known }
    let stored: StoredDirectory
    let rules: IgnoreContext | undefined
    try {
      if (step.ancestors.includes(entry.objectId)) throw new EntryReadError('the directory contains itself')
      stored = await readStoredDirectory(this.from, directoryId(entry))
      if (this.options.appliesRules) rules = await enterStoredDirectory(this.from, stored.entries, step)
    } catch (error) {
      throw new EntryReadError(messageOf(error), { cause: error })
    }
    const entries = rules ? stored.entries.filter((e) => !isHidden(rules, step.path, e)) : stored.entries
    const summary = new SummaryBuilder()
    addOwnFailures(summary, stored.summary, stored.entries)
    const isWhole = await this.#copyEntries({ ...step, rules: rules ?? step.rules }, entries, summary)
    for (const e of step.progress.finished) summary.add(e)
    const built = summary.build(entry.modifiedNs, stored.summary?.incomplete)
    const data = encodeDirectory(step.progress.finished, built)
    const objectId = await this.#batcher.add(data, directoryObjectOptions(metadataCompressorOf(policy.effective)))
    const copied = { objectId, summary: built }
    if (isWhole && !this.options.appliesRules) {
      const map = this.#directories.get(policy) ?? new Map<string, typeof copied>()
      this.#directories.set(policy, map.set(entry.objectId, copied))
    }
    return { ...entry, ...copied }
  }

  /** False when something could not be copied. */
  async #copyEntries(step: Step, entries: readonly DirectoryEntry[], summary: SummaryBuilder): Promise<boolean> {
    const earlier = await EarlierDirectories.read(this.to, step.previous)
    let isWhole = true
    const attempt = async (e: DirectoryEntry, copy: (path: string) => Promise<DirectoryEntry>, isIgnored: boolean) => {
      if (this.options.signal?.aborted) throw new CancelledError('the migration was cancelled')
      const path = step.path === '' ? e.name : `${step.path}/${e.name}`
      try {
        step.progress.finished.push(await copy(path))
      } catch (error) {
        if (!(error instanceof EntryReadError)) throw error
        isWhole = false
        summary.addFailure({ path, error: error.message }, isIgnored)
        this.options.onFailure?.(path, error)
      }
    }
    const errors = step.policy.effective.errorHandling
    const files = entries.filter((e) => e.type !== 'd')
    await mapLimited(files, this.options.parallel, (e) =>
      attempt(
        e,
        async (path) => {
          const unchanged = earlier.unchanged(e)
          if (unchanged && (await this.to.objects.isPresent(unchanged))) return { ...e, objectId: unchanged }
          const copied = { ...e, ...(await this.#copyFile(e, step.policy.child(e.name))) }
          this.options.onFile?.(path, copied.sizeBytes)
          return copied
        },
        errors.ignoreFileErrors ?? false,
      ),
    )
    for (const e of entries) {
      if (e.type !== 'd') continue
      const policy = step.policy.child(e.name)
      const progress = new DirectoryInProgress(e, metadataCompressorOf(policy.effective))
      step.progress.addChild(progress)
      const below = { policy, progress, previous: earlier.children(e.name), ancestors: [...step.ancestors, step.entry.objectId] }
      const copy = (path: string) => this.#copyDirectory({ ...step, ...below, entry: e, path })
      await attempt(e, copy, policy.effective.errorHandling.ignoreDirectoryErrors ?? false)
      step.progress.removeChild(progress)
    }
    return isWhole
  }

  #copyFile(entry: DirectoryEntry, { effective }: PolicyTree): Promise<Pick<DirectoryEntry, 'objectId' | 'sizeBytes'>> {
    const metadataCompressor = metadataCompressorOf(effective)
    const options: ObjectWriterOptions =
      entry.type === 's'
        ? symlinkObjectOptions(metadataCompressor)
        : {
            prefix: '',
            compressor: compressorFor(effective.compression, entry.name, entry.sizeBytes),
            metadataCompressor,
            splitter: effective.splitter.algorithm ?? '',
          }
    const key = `${entry.objectId} ${options.compressor} ${metadataCompressor} ${options.splitter}`
    let copying = this.#files.get(key)
    if (!copying) {
      copying = this.#copyObject(entry, options)
      this.#files.set(key, copying)
      copying.catch(() => this.#files.delete(key))
    }
    return copying
  }

  async #copyObject(entry: DirectoryEntry, options: ObjectWriterOptions): Promise<Pick<DirectoryEntry, 'objectId' | 'sizeBytes'>> {
    const id = entry.objectId
    if (id === '' || (entry.type !== 'f' && entry.type !== 's')) throw new EntryReadError('unknown or unsupported entry type')
    const reader = await reading(() => this.from.objects.open(id))
    try {
      if (entry.type === 's' && reader.sizeBytes > maxLinkBytes) throw new EntryReadError('the target of the link is too long')
      if (reader.sizeBytes <= pieceBytes) {
        const data = Buffer.allocUnsafe(reader.sizeBytes)
        await readFully(reader, data, 0)
        return { objectId: await this.#batcher.add(data, options), sizeBytes: data.length }
      }
      return { objectId: await this.#stream(reader, options), sizeBytes: reader.sizeBytes }
    } finally {
      reader.close()
    }
  }

  async #stream(reader: ObjectReader, options: ObjectWriterOptions): Promise<ObjectId> {
    const writer = this.to.objects.createWriter(options)
    let isDone = false
    try {
      const buffer = Buffer.allocUnsafe(pieceBytes)
      for (let at = 0; at < reader.sizeBytes; at += pieceBytes) {
        if (this.options.signal?.aborted) throw new CancelledError('the migration was cancelled')
        const piece = buffer.subarray(0, Math.min(pieceBytes, reader.sizeBytes - at))
        await readFully(reader, piece, at)
        await writer.write(piece)
      }
      const objectId = await writer.finish()
      isDone = true
      return objectId
    } finally {
      if (!isDone) writer.abort()
    }
  }
}

const isHidden = (rules: IgnoreContext, directory: string, e: DirectoryEntry): boolean =>
  whyHidden(
    rules,
    directory === '' ? `/${e.name}` : `/${directory}/${e.name}`,
    { isDirectory: e.type === 'd', sizeBytes: e.type === 'd' ? 0 : e.sizeBytes, device: 0 },
    0,
  ) !== undefined

async function readFully(reader: ObjectReader, into: Buffer, at: number): Promise<void> {
  for (let got = 0; got < into.length; ) {
    const n = await reading(() => reader.read(into.subarray(got), at + got))
    if (n === 0) throw new EntryReadError(`the object ends after ${at + got} of ${reader.sizeBytes} bytes`)
    got += n
  }
}

/** Failures of the repository that is read are failures of the entry; those of the other one end everything. */
async function reading<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw new EntryReadError(messageOf(error), { cause: error })
  }
}
