import { createInterface } from 'node:readline'
import { mountSnapshots, type SnapshotMountRequest, unmountAt } from '#mount/daemon.ts'
import { openFolder } from '../../support/open-fixture.ts'
import { FolderRepository } from './folder-repository.ts'
import { RecordingControl } from './recording-control.ts'

/** Serves one mount in a process of its own, so that tests may use the mount without waiting for themselves. Commands come as lines of
 *  JSON on stdin; events leave as lines of JSON on stdout. */
interface Orders {
  /** A folder that plays repository, or the folder of a real one with its password. */
  readonly folder?: string
  readonly repository?: string
  readonly password?: string
  readonly target?: string
  readonly mountPoint: string
  readonly driver?: string
  readonly options?: SnapshotMountRequest['options']
  readonly trace?: boolean
  /** File names whose content cannot be read. */
  readonly broken?: readonly string[]
  readonly startNs?: string
  /** Folder of the spools: a writable mount. */
  readonly spool?: string
  readonly sources?: readonly string[]
  readonly xattrs?: 'refuse' | 'stage'
}

const say = (event: string, more: object = {}): void => void process.stdout.write(`${JSON.stringify({ event, ...more })}\n`)
const orders = JSON.parse(process.argv[2] ?? '{}') as Orders

function writablePart(spoolDirectory: string): NonNullable<SnapshotMountRequest['writable']> {
  return {
    sources: orders.sources ?? ['user@host:/src/tree'],
    repositoryId: 'test',
    spoolDirectory,
    spoolLimitBytes: 2 ** 33,
    spoolReserveBytes: 1 << 20,
    xattrs: orders.xattrs ?? 'refuse',
    takeOver: false,
    controlOf: () => new RecordingControl(say),
  }
}

const abort = new AbortController()
process.on('SIGINT', () => abort.abort())
process.on('SIGTERM', () => abort.abort())

const folder = new FolderRepository()
const source = { user: 'user', host: 'host', path: '/src/tree' }
if (orders.folder !== undefined) {
  const root = folder.addTree(orders.folder, 'tree')
  folder.addSnapshot(root, source, BigInt(orders.startNs ?? '1700000000000000000'))
}
const repository =
  orders.repository === undefined ? folder.repository : await openFolder(orders.repository, orders.password ?? 'fixture-password')
for (const id of orders.broken ?? []) folder.broken.add(id)
try {
  const mount = await mountSnapshots({
    repository,
    target: orders.target ?? 'all',
    mountPoint: orders.mountPoint,
    driver: orders.driver,
    options: { ...orders.options, ...(orders.trace && { trace: (line: string) => say('trace', { line }) }) },
    ...(orders.spool !== undefined && { writable: writablePart(orders.spool) }),
    signal: abort.signal,
    warn: (line) => say('warn', { line }),
  })
  say('mounted', { mountPoint: mount.mountPoint, driver: mount.driver })
  createInterface({ input: process.stdin }).on('line', (line) => {
    const order = JSON.parse(line) as { readonly do: string; readonly startNs?: string; readonly path?: string; readonly name?: string }
    if (order.do === 'snapshot') folder.addSnapshot(folder.addTree(order.path ?? '', 'tree'), source, BigInt(order.startNs ?? '0'))
    if (order.do === 'tables') say('tables', { count: mount.directoryCount })
    if (order.do === 'exit') process.exit(4)
    if (order.do === 'unmount') unmountAt(orders.mountPoint).catch((error: Error) => say('error', { message: error.message }))
  })
  await mount.done
  say('done')
  process.exit(0)
} catch (error) {
  say('failed', { message: (error as Error).message, code: (error as { code?: string }).code })
  process.exit(1)
}
