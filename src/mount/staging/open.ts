import { join } from 'node:path'
import { fileKind } from '#fuse/abi.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Change } from './changes.ts'
import { createJournalFile, Journal, type JournalHeader, journalPath, readJournal } from './journal.ts'
import { bootId, lockStaging, machineId, StagingError } from './lock.ts'
import { Overlay } from './overlay.ts'
import { checkSpool } from './recover.ts'
import { Spool } from './spool.ts'
import { newSpoolKey, openSpoolKey, SpoolCipher, sealSpoolKey } from './spool-cipher.ts'
import { diskFiles, type SpoolFiles } from './spool-files.ts'
import type { LowerTree, Staging, StagingOptions } from './staging.ts'
import { momentOf } from './transaction.ts'
import { StagingTree } from './tree.ts'

const skippedNodes = 2 ** 24

/** Opens the overlay of a source: a new one on the lower snapshot, or the one that is found in the folder, with all that it had accepted.
 *  StagingError: in use, of another repository, source, machine or option set, or its journal cannot be read. */
export async function openStaging(options: StagingOptions, lowerTree: LowerTree, files: SpoolFiles = diskFiles): Promise<Staging> {
  files.makeFolder(options.directory)
  const release = lockStaging(options.directory)
  try {
    return openLocked(options, lowerTree, files, release)
  } catch (error) {
    release()
    throw error
  }
}

function openLocked(options: StagingOptions, lowerTree: LowerTree, files: SpoolFiles, release: () => void): Staging {
  const { directory, firstNode } = options
  const root = firstNode + 1
  const tree = new StagingTree(root, root + 1, lowerTree)
  const found = files.readWhole(journalPath(directory))
  let journal: Journal
  let spool: Spool
  let header = newHeader(options)
  let lower: Staging['lower']
  if (found === undefined) {
    spool = spoolOf(options, header, files)
    checkSpool(tree, spool, { files, directory, keepStrays: true, warn: options.warn }) // files without a journal are somebody's
    const changes = firstChanges(options, root)
    for (const change of changes) tree.apply(change)
    const made = createJournalFile(files, directory, firstNode, header, [changes], 0)
    journal = new Journal(files, directory, firstNode, made.fd, made.end, made.sequence)
    lower = header.lower as Staging['lower'] // without the root entry, whose numbers JSON does not know
    const node = tree.get(root)
    tree.uncount(node)
  } else {
    const read = readJournal(found, firstNode, (changes) => {
      for (const change of changes) tree.apply(change)
    })
    if (read === undefined || !tree.nodes.has(root))
      throw new StagingError(
        `the journal ${journalPath(directory)} is damaged at its head; nothing was changed. Move the folder away and keep it`,
      )
    checkHeader(read.header, options)
    const { lower: foundLower, lastFlushId, version, sealedKey } = read.header
    header = { ...header, lower: foundLower, lastFlushId, version, sealedKey }
    spool = spoolOf(options, header, files)
    if (read.goodBytes < read.totalBytes) keepTail(options, files, read.isDamaged, read.totalBytes - read.goodBytes)
    const fd = files.open(journalPath(directory), false)
    files.truncate(fd, read.goodBytes)
    journal = new Journal(files, directory, firstNode, fd, read.goodBytes, read.sequence)
    lower = read.header.lower as Staging['lower']
    // Numbers that were given to nodes of the lower tree are not in the journal: far enough above them.
    tree.nextNode = Math.max(tree.nextNode, firstNode + read.header.nextNode) + skippedNodes
    for (const node of [...tree.nodes.values()]) tree.reap(node)
    const lost = checkSpool(tree, spool, { files, directory, keepStrays: read.isDamaged, warn: options.warn })
    if (lost.length > 0) journal.append(lost)
    for (const change of lost) tree.apply(change)
    if (read.sequence === 1) tree.uncount(tree.get(tree.root)) // as it was made
  }
  return new Overlay({ tree, journal, spool, lowerTree, options, lower, release, header })
}

function spoolOf(options: StagingOptions, { sealedKey }: JournalHeader, files: SpoolFiles): Spool {
  const { directory, firstNode, spoolLimitBytes, spoolReserveBytes, secret } = options
  const cipher = sealedKey === undefined ? undefined : new SpoolCipher(openSpoolKey(sealedKey, secret))
  return new Spool(files, directory, firstNode, spoolLimitBytes, spoolReserveBytes, cipher)
}

function newHeader(options: StagingOptions): JournalHeader {
  const { encrypt = false, secret } = options
  if (encrypt && secret === undefined)
    throw new StagingError('the spool cannot be encrypted: only a direct connection to the repository has a key for it')
  return {
    version: encrypt ? 2 : 1,
    ...(encrypt && secret && { sealedKey: sealSpoolKey(newSpoolKey(), secret) }),
    repositoryId: options.repositoryId,
    source: options.source,
    lower: options.lower && { snapshotId: options.lower.snapshotId, rootObject: options.lower.rootObject },
    xattrs: options.xattrs,
    machineId: machineId(),
    bootId: bootId(),
    lastFlushId: '',
    nextNode: 2,
  }
}

function checkHeader(header: JournalHeader, options: StagingOptions): void {
  const refuse = (what: string): never => {
    throw new StagingError(`the staging area ${options.directory} ${what}`)
  }
  if (header.version !== 1 && header.version !== 2) refuse('was written by a newer version')
  if (header.repositoryId !== options.repositoryId) refuse('belongs to another repository; give another folder')
  if (header.source !== options.source) refuse(`belongs to ${header.source}; give another folder`)
  if (options.takeOver) return
  if (options.encrypt === true && header.sealedKey === undefined)
    refuse('has changes that are not encrypted; save them with "kura staging flush" first, or go on with --takeover')
  if (header.machineId !== machineId()) refuse('was written on another machine; --takeover takes it over')
  if (header.xattrs !== options.xattrs) refuse('was made with other options; --takeover takes it over')
}

/** What follows the last good record is kept beside the journal before it is cut off. */
function keepTail(options: StagingOptions, files: SpoolFiles, isDamaged: boolean, bytes: number): void {
  if (!isDamaged) {
    options.warn(`the journal ended in the middle of a record; its last ${bytes} bytes were cut off`)
    return
  }
  let copy = ''
  for (let i = 1; copy === '' || files.stat(copy) !== undefined; i++) copy = join(options.directory, `journal.damaged-${i}`)
  files.copy(journalPath(options.directory), copy)
  options.warn(`the journal is damaged ${bytes} bytes before its end; what came before was recovered, the whole is kept as ${copy}`)
}

function firstChanges(options: StagingOptions, root: number): Change[] {
  const entry = options.lower?.root
  const { seconds, ns } = momentOf(entry?.modifiedNs ?? options.nowNs())
  const facts = {
    mode: fileKind.directory | (entry?.mode ?? 0o755),
    uid: entry?.uid ?? options.owner.uid,
    gid: entry?.gid ?? options.owner.gid,
    links: 2,
    accessedSeconds: seconds,
    accessedNs: ns,
    modifiedSeconds: seconds,
    modifiedNs: ns,
    changedSeconds: seconds,
    changedNs: ns,
  }
  const changes: Change[] = [{ type: 'node', node: root, facts }]
  const objectId: ObjectId | undefined = options.lower?.rootObject
  if (objectId !== undefined) changes.push({ type: 'base', node: root, objectId, sizeBytes: 0 })
  return changes
}
