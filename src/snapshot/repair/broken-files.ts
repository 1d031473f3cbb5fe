import { existsSync } from 'node:fs'
import { messageOf } from '#base/errors.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { formatSource } from '#snapshot/model/source-text.ts'
import { createSnapshot } from '#snapshot/upload/create.ts'
import { blobLengths, ObjectChecker } from '#snapshot/verify/object-checker.ts'
import { type VerifyRoot, verifyTrees } from '#snapshot/verify/trees.ts'
import type { Finding } from './finding.ts'

const filesAtOnce = 8
const maxWaiting = 20_000
const maxExamples = 3

interface Broken {
  readonly source: SourceInfo
  count: number
  readonly examples: string[]
}

/** Files and folders of snapshots that cannot be read, because a pack is gone or cut, or an index does not name a content. Where their
 *  source is on this computer, a new snapshot of it stores again what it still has, and with that the old snapshots are whole again:
 *  equal bytes have equal content IDs. Throws the storage's errors. */
export async function lookAtFiles(repository: DirectRepository, signal: AbortSignal | undefined): Promise<Finding[]> {
  const isAtHand = ({ user, host, path }: SourceInfo): boolean =>
    user === repository.client.username && host === repository.client.hostname && existsSync(path)
  const snapshots = (await listSnapshots(repository, { onDamaged: () => undefined })).filter(({ rootEntry }) => rootEntry)
  // An object that several trees share is told of once: for a source that can give it again, if there is one.
  snapshots.sort((a, b) => Number(isAtHand(b.source)) - Number(isAtHand(a.source)))
  const broken = await brokenFiles(repository, snapshots, signal)
  return broken.map(({ source, count, examples }) => ({
    kind: 'files',
    subject: formatSource(source),
    problem: `${count} files or folders of its snapshots cannot be read: ${examples.join('; ')}${count > examples.length ? '; …' : ''}`,
    ...(isAtHand(source)
      ? {
          remedy: `read ${source.path} again, store what is missing, and keep the result as a snapshot`,
          mend: () => storeAgain(repository, source, signal),
        }
      : {
          remedy:
            'run this command on the computer that has the source, or replace the files by notes with "kura snapshot fix invalid-files"',
        }),
  }))
}

async function brokenFiles(
  repository: DirectRepository,
  snapshots: readonly Snapshot[],
  signal: AbortSignal | undefined,
): Promise<Broken[]> {
  const found = new Map<string, Broken>()
  const roots: VerifyRoot[] = []
  for (const [i, { rootEntry }] of snapshots.entries()) if (rootEntry) roots.push({ path: `${i}`, entry: rootEntry })
  const checker = new ObjectChecker(repository, await blobLengths(repository))
  await verifyTrees(repository, checker, roots, {
    readPercent: 0,
    fileParallelism: filesAtOnce,
    queueLength: maxWaiting,
    maxErrors: -1,
    ...(signal ? { signal } : {}),
    onError: (path, error) => {
      const [number = '', ...names] = path.split('/')
      const { source } = snapshots[Number(number)] as Snapshot
      const key = formatSource(source)
      const entry = found.get(key) ?? { source, count: 0, examples: [] }
      found.set(key, entry)
      entry.count++
      if (entry.examples.length < maxExamples) entry.examples.push(`${names.join('/') || 'the root'} (${messageOf(error)})`)
    },
  })
  return [...found.values()]
}

async function storeAgain(repository: DirectRepository, source: SourceInfo, signal: AbortSignal | undefined): Promise<string> {
  const failed: string[] = []
  const observer = { failed: (path: string) => failed.push(path) }
  const { snapshot } = await createSnapshot(repository, { source, localPath: source.path }, observer, signal)
  await repository.flush()
  const rest = failed.length === 0 ? '' : `; ${failed.length} files could not be read, ${failed[0]} among them`
  return `snapshot ${snapshot.id} was made${rest}`
}
