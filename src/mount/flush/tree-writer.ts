import { mapLimited } from '#base/limit.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { newCounters, type SnapshotCounters } from '#snapshot/model/counters.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import { type IgnoreContext, outermostContext, whyHidden } from '#snapshot/tree/ignore-rules.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { directoryObjectOptions, symlinkObjectOptions } from '#snapshot/upload/entry-options.ts'
import { ObjectBatcher } from '#snapshot/upload/object-batch.ts'
import { SummaryBuilder } from '#snapshot/upload/summary.ts'
import type { StagedNode } from '../staging/staging.ts'
import { FileContents } from './file-contents.ts'
import { enterFrozenDirectory, hasRules } from './frozen-rules.ts'
import { type FrozenDirectory, type FrozenFile, type Member, membersOf, textOf } from './members.ts'
import type { PreUploaded } from './pre-uploaded.ts'
import { isRubbish } from './rubbish.ts'

export interface TreeRequest {
  readonly repository: Repository
  readonly root: FrozenDirectory
  /** Base name of the source; '/' for the root of a file system. */
  readonly rootName: string
  readonly policyTree: PolicyTree
  /** The rules have changed since the lower snapshot was made: what lies unchanged below must pass them again. */
  readonly refilter: boolean
  readonly keepRubbish: boolean
  /** Root of a newer tree onto which the changes are put (`--rebase`); what was changed here wins over what was changed there. */
  readonly newer?: ObjectId | undefined
  /** Contents that were stored before the flush. */
  readonly uploaded?: PreUploaded | undefined
  /** Runs `work` between the actions of a changed folder below the root. */
  readonly around?: ((relative: string, policy: PolicyTree, work: () => Promise<DirectoryEntry>) => Promise<DirectoryEntry>) | undefined
  /** Throws to stop. */
  readonly check: () => void
  readonly onFile?: (path: string, sizeBytes: number) => void
}

export interface WrittenTree {
  readonly rootEntry: DirectoryEntry
  /** Stored entry of each changed node that is in the tree. */
  readonly objects: ReadonlyMap<StagedNode, DirectoryEntry>
  /** Changed directories that have entries of the lower snapshot which this one leaves out. */
  readonly standing: ReadonlySet<StagedNode>
  readonly counters: SnapshotCounters
  readonly droppedSpecial: number
  readonly droppedLinks: number
  /** Paths of files that were open for writing. */
  readonly written: readonly string[]
}

interface Place {
  readonly relative: string
  readonly policy: PolicyTree
  readonly parentRules: IgnoreContext
  readonly refilter: boolean
  /** Told of entries of the lower snapshot that are left out. */
  readonly onLoss: () => void
}

const membersInFlight = 128

/** Writes the objects of a frozen tree that are not there yet: changed files and the directories above them. What lies unchanged below
 *  is taken over by its entry. The result is what an upload of the same tree gives. Source: spec 08, 4.8; spec 07, 7.1.7. */
export const writeTree = (request: TreeRequest): Promise<WrittenTree> => new TreeWriter(request).run()

class TreeWriter {
  readonly #batcher: ObjectBatcher
  readonly #contents: FileContents
  readonly #objects = new Map<StagedNode, DirectoryEntry>()
  readonly #counters = newCounters()
  readonly #files = new Map<StagedNode, Promise<{ objectId: ObjectId; sizeBytes: number }>>()
  readonly #standing = new Set<StagedNode>()
  readonly #written: string[] = []
  #special = 0
  #links = 0

  constructor(readonly request: TreeRequest) {
    const { repository, check } = request
    this.#batcher = new ObjectBatcher(repository.objects)
    this.#contents = new FileContents(repository.objects, this.#batcher, check)
  }

  async run(): Promise<WrittenTree> {
    const { root, rootName, policyTree, refilter, newer } = this.request
    const place = { relative: '', policy: policyTree, parentRules: outermostContext, refilter, onLoss: () => undefined }
    const rootEntry = await this.#directory({ name: rootName, node: root, ...(newer && { newer }) }, place)
    return {
      rootEntry,
      objects: this.#objects,
      standing: this.#standing,
      counters: this.#counters,
      droppedSpecial: this.#special,
      droppedLinks: this.#links,
      written: this.#written,
    }
  }

  async #directory(member: Member, place: Place): Promise<DirectoryEntry> {
    this.request.check()
    const { repository } = this.request
    const node = member.node as FrozenDirectory | undefined
    const onLoss = node ? () => void this.#standing.add(node.node) : place.onLoss
    const lower = node ? (member.newer ?? node.lower) : (member.stored?.objectId as ObjectId)
    if (node && !node.changed && lower !== undefined && !place.refilter && !member.refilter) {
      const { summary } = await readStoredDirectory(repository, lower)
      if (summary) return this.#taken({ ...attributesOf(member), objectId: lower, summary }, node.node)
    }
    const write = (): Promise<DirectoryEntry> => this.#writeDirectory(member, place, lower, onLoss)
    return node && place.relative !== '' && this.request.around ? this.request.around(place.relative, place.policy, write) : write()
  }

  async #writeDirectory(member: Member, place: Place, lower: ObjectId | undefined, onLoss: () => void): Promise<DirectoryEntry> {
    const { repository } = this.request
    const node = member.node as FrozenDirectory | undefined
    const members = await membersOf(repository, node, lower, member.newer !== undefined)
    const rules = await enterFrozenDirectory(repository, place, members, () => {
      this.#counters.excludedDirectoryCount++
    })
    const changedNames = new Set(node ? [...node.changes()].map(([name]) => textOf(name)) : [])
    const refilter = place.refilter || member.refilter || rules.context.dotFiles.some((name) => changedNames.has(name))
    const kept = rules.isCache ? [] : members
    if (rules.isCache && members.some((m) => m.stored)) onLoss()
    const entries = await mapLimited(kept, membersInFlight, (m) =>
      this.#member(m, { ...place, parentRules: rules.context, refilter: refilter === true, onLoss }),
    )
    const present = entries.filter((e) => e !== undefined)
    const own = attributesOf(member)
    const summaries = new SummaryBuilder()
    for (const entry of present) summaries.add(entry)
    const summary = summaries.build(own.modifiedNs, undefined)
    const options = directoryObjectOptions(metadataCompressorOf(place.policy.effective))
    const objectId = await this.#batcher.add(encodeDirectory(present, summary), options)
    const entry: DirectoryEntry = { ...own, objectId, summary }
    if (node) this.#objects.set(node.node, entry)
    this.#counters.directoryCount++
    return entry
  }

  async #member(member: Member, above: Place): Promise<DirectoryEntry | undefined> {
    const { name, node, stored } = member
    const relative = above.relative === '' ? name : `${above.relative}/${name}`
    const isDirectory = (node?.kind ?? (stored?.type === 'd' ? 'directory' : '')) === 'directory'
    const sizeBytes =
      node?.kind === 'file' ? node.sizeBytes : node?.kind === 'link' ? node.target.length : isDirectory ? 0 : (stored?.sizeBytes ?? 0)
    const hidden = whyHidden(above.parentRules, `/${relative}`, { isDirectory, sizeBytes, device: 0 }, 0)
    if (hidden !== undefined) {
      if (stored && !node) above.onLoss()
      if (hidden === 'rule') this.#excluded(isDirectory, sizeBytes)
      return undefined
    }
    if (node && !this.request.keepRubbish && isRubbish(name, node.kind === 'file' && node.isBeingWritten)) {
      this.#excluded(isDirectory, sizeBytes)
      return undefined
    }
    const place: Place = {
      relative,
      policy: above.policy.child(name),
      parentRules: above.parentRules,
      refilter: above.refilter,
      onLoss: above.onLoss,
    }
    if (stored && (!isDirectory || !above.refilter)) return this.#taken(stored, undefined)
    if (isDirectory) {
      // An unchanged folder in a new place may meet rules that name its path.
      const isMoved = node?.kind === 'directory' && node.lower !== undefined
      return this.#directory(member, { ...place, refilter: place.refilter || (isMoved && !node.changed && hasRules(above.parentRules)) })
    }
    if (node?.kind === 'file') return this.#file(member, node, place)
    if (node?.kind === 'link') return this.#link(member, node.target, place)
    this.#special++
    return undefined
  }

  async #file(member: Member, node: FrozenFile, place: Place): Promise<DirectoryEntry> {
    if (node.isBeingWritten) this.#written.push(place.relative)
    let storing = this.#files.get(node.node)
    if (storing) this.#links++
    else {
      storing = this.#store(member.name, node, place)
      this.#files.set(node.node, storing)
    }
    const entry: DirectoryEntry = { ...attributesOf(member), ...(await storing) }
    this.#objects.set(node.node, entry)
    return entry
  }

  async #store(name: string, node: FrozenFile, place: Place): Promise<{ objectId: ObjectId; sizeBytes: number }> {
    const { sizeBytes } = node
    this.#counters.nonCachedFileCount++
    this.#counters.fileCount++
    this.#counters.totalBytes += sizeBytes
    const { effective } = place.policy
    const objectId = (await this.request.uploaded?.find(node, name, effective)) ?? (await this.#contents.store(node, name, effective))
    this.request.onFile?.(place.relative, sizeBytes)
    return { objectId, sizeBytes }
  }

  async #link(member: Member, target: Uint8Array, place: Place): Promise<DirectoryEntry> {
    const objectId = await this.#batcher.add(target, symlinkObjectOptions(metadataCompressorOf(place.policy.effective)))
    const entry: DirectoryEntry = { ...attributesOf(member), objectId, sizeBytes: target.length }
    if (member.node) this.#objects.set(member.node.node, entry)
    return entry
  }

  /** Something unchanged, with all that is below it. */
  #taken(entry: DirectoryEntry, node: StagedNode | undefined): DirectoryEntry {
    const { summary } = entry
    this.#counters.totalBytes += summary?.totalBytes ?? entry.sizeBytes
    this.#counters.cachedFileCount += summary ? summary.fileCount + summary.symlinkCount : 1
    this.#counters.directoryCount += summary?.directoryCount ?? 0
    if (node !== undefined) this.#objects.set(node, entry)
    return entry
  }

  #excluded(isDirectory: boolean, sizeBytes: number): void {
    if (isDirectory) this.#counters.excludedDirectoryCount++
    else {
      this.#counters.excludedFileCount++
      this.#counters.excludedBytes += sizeBytes
    }
  }
}

const types = { directory: 'd', file: 'f', link: 's', special: '' } as const

function attributesOf({ name, node, stored }: Member): DirectoryEntry {
  if (!node) return { ...(stored as DirectoryEntry), name }
  const { mode, uid, gid, modifiedNs } = node.attributes
  return { name, type: types[node.kind], mode: mode & 0o7777, sizeBytes: 0, modifiedNs, uid, gid, objectId: '' }
}
