import { spawn } from 'node:child_process'
import { UsageError } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, type Flag, type ValuesOf } from '#cli/flag.ts'
import { parseMountOptions } from '#cli/mount-options.ts'
import { tellServiceReady } from '#cli/service.ts'
import { programVersion } from '#cli/version.ts'
import type { DoorOutcome } from '#mount/backup/doorway.ts'
import type { Flushing } from '#mount/backup/flushing.ts'
import type { SnapshotMount, SnapshotMountOptions, WritablePart } from '#mount/daemon.ts'
import { isDirect, type Repository } from '#repo/repository/repository.ts'

const flags = [
  { name: 'browse', type: 'bool', describe: 'Open the mount in the file manager' },
  { name: 'driver', type: 'enum', values: ['auto', 'kernel', 'fuse-native'], default: 'auto', describe: 'How to speak to the kernel' },
  { name: 'trace-fs', type: 'bool' },
  { name: 'fuse-allow-other', type: 'bool' },
  { name: 'fuse-allow-non-empty-mount', type: 'bool' },
  { name: 'webdav', type: 'bool', hidden: true },
  { name: 'max-cached-entries', type: 'int', default: '200000' },
  { name: 'max-cached-dirs', type: 'int', default: '2000' },
  { name: 'option', short: 'o', type: 'string', repeated: true, placeholder: 'LIST', describe: 'Options as of mount(8)' },
  { name: 'symlinks', type: 'enum', values: ['as-is', 'inside'], default: 'as-is', describe: 'What links of snapshots show' },
  { name: 'uid', type: 'int', placeholder: 'NUMBER', describe: 'Show all in the snapshots as owned by this user' },
  { name: 'gid', type: 'int', placeholder: 'NUMBER', describe: 'Show all in the snapshots as of this group' },
  { name: 'owner-root', type: 'bool', describe: 'The same as --uid 0 --gid 0' },
  { name: 'umask', type: 'string', placeholder: 'OCTAL', describe: 'Permissions that nothing in the snapshots shows' },
  { name: 'unindexed', type: 'bool', describe: 'Add files that tell indexers of desktops to stay out' },
  { name: 'view', type: 'string', repeated: true, placeholder: 'TEMPLATE', describe: 'Another folder in .kura/, as by-host/%h/%p/%T' },
  { name: 'read-only', type: 'bool', describe: 'Snapshots only, without backup/' },
  { name: 'backup-source', type: 'string', repeated: true, placeholder: 'USER@HOST:PATH', describe: 'Source that backup/ writes to' },
  { name: 'empty', type: 'bool', describe: 'Begin backup/ empty, not as the newest snapshot' },
  { name: 'backup-from', type: 'string', placeholder: 'SNAPSHOT', describe: 'Begin backup/ as this snapshot of its source' },
  { name: 'tags', type: 'string', repeated: true, placeholder: 'KEY:VALUE', describe: 'Tags of the snapshots that are made of backup/' },
  { name: 'description', type: 'string', describe: 'Description of the snapshots that are made of backup/' },
  { name: 'spool', type: 'string', placeholder: 'DIR', describe: 'Where changes are kept until they are in a snapshot' },
  { name: 'spool-size', type: 'bytes', describe: 'Most that may be kept there' },
  { name: 'spool-reserve', type: 'bytes', describe: 'Space to leave free on the disk of the spool' },
  { name: 'spool-encrypt', type: 'bool', describe: 'Encrypt the contents that are kept there' },
  { name: 'xattrs', type: 'enum', values: ['refuse', 'stage'], default: 'refuse', describe: 'Extended attributes in backup/' },
  { name: 'takeover', type: 'bool', describe: 'Go on with changes of another machine or of other options' },
  { name: 'rebase', type: 'bool', describe: 'Put what is staged onto the newest snapshot of its source' },
  { name: 'flush-after', type: 'duration', default: '60s', describe: 'Make a snapshot when nothing has changed for this long' },
  { name: 'flush-every', type: 'duration', default: '15m', describe: 'Make one this long after the first change in any case' },
  { name: 'quiesce', type: 'duration', default: '10s', describe: 'Wait this long for files that are being written' },
  { name: 'on-flush', type: 'string', placeholder: 'COMMAND', describe: 'Run this after each flush' },
  { name: 'writeback-cache', type: 'bool', describe: 'Let the kernel collect small writes; a kill may lose what it has' },
  { name: 'keep-rubbish', type: 'bool', describe: 'Keep what desktops and editors leave behind' },
  { name: 'flush-identical', type: 'bool', describe: 'Save a snapshot even when nothing has changed' },
] as const satisfies readonly Flag[]

const args = [
  { name: 'path', type: 'string', default: 'all' },
  { name: 'mountPoint', type: 'string', default: '*' },
] as const

type Values = ValuesOf<(typeof flags)[number]> & ValuesOf<(typeof args)[number]>

/** Spec 08, 4.7: unmounted, but not all is in a snapshot. */
const flushFailed = 3

export const mount = defineCommand({
  args,
  flags,
  async run(c, values) {
    const { mountSnapshots } = await import('#mount/daemon.ts')
    const signal = c.stop
    const { vfsFlags, allowOther, readOnly } = parseMountOptions(values.option)
    if (values.webdav) c.log.warning('--webdav is not needed: the mount goes straight through the kernel.')
    const repository = await c.open()
    const writing = !readOnly && wantsWriting(values, repository) ? await writingOf(c, repository, values) : undefined
    const mounted = await mountSnapshots({
      repository,
      target: values.path,
      mountPoint: values.mountPoint,
      driver: values.driver === 'auto' ? undefined : values.driver,
      signal,
      warn: (line) => c.log.warning(line),
      ...(writing && { writable: writing.part }),
      options: {
        ...(values['fuse-allow-other'] || allowOther ? { allowOther: true } : {}),
        vfsFlags,
        views: values.view,
        shownAs: shownAs(values),
        noIndexing: values['unindexed'],
        writebackCache: values['writeback-cache'],
        links: values.symlinks === 'inside' ? 'inside' : 'as-is',
        allowNonEmpty: values['fuse-allow-non-empty-mount'],
        maxCachedDirectories: values['max-cached-dirs'],
        maxCachedEntries: values['max-cached-entries'],
        ...(values['trace-fs'] ? { trace: (line: string) => c.log.info(line) } : {}),
      },
    })
    c.log.info(`Mounted '${values.path}' on ${mounted.mountPoint}`)
    c.log.info('Press Ctrl-C to unmount, or run "kura unmount" on it.')
    tellServiceReady(c.env, (line) => c.log.warning(line))
    if (values.browse) browse(mounted.mountPoint, (line) => c.log.warning(line))
    if (writing === undefined) await mounted.done
    else await serveWriting(c, mounted, writing)
    c.log.info('Unmounted.')
  },
})

/** Everything is mounted writable unless the person or the connection says otherwise (spec 08, 1.3). */
const wantsWriting = (values: Values, repository: Repository): boolean =>
  values.path === 'all' && !values['read-only'] && !repository.client.readOnly && !values['fuse-allow-non-empty-mount']

interface Writing {
  readonly part: WritablePart
  readonly flushing: Flushing
  /** What the last flush came to; resolves when the mount has ended. */
  readonly last: Promise<readonly DoorOutcome[]>
}

async function writingOf(c: CommandContext, repository: Repository, values: Values): Promise<Writing> {
  const [{ Flushing }, { parseTags }] = await Promise.all([import('#mount/backup/flushing.ts'), import('./snapshot/list.ts')])
  const ms = (ns: bigint): number => Number(ns / 1_000_000n)
  const flushing = new Flushing(repository, {
    flushAfterMs: ms(values['flush-after']),
    flushEveryMs: ms(values['flush-every']),
    quiesceMs: ms(values.quiesce),
    keepRubbish: values['keep-rubbish'],
    keepIdentical: values['flush-identical'],
    description: values.description ?? '',
    tags: parseTags(values.tags),
    actions: { isEnabled: repository.client.enableActions, version: programVersion, environment: c.env },
    command: values['on-flush'],
    info: (line) => c.log.info(line),
    warn: (line) => c.log.warning(line),
  })
  let resolveLast: (outcomes: readonly DoorOutcome[]) => void = () => undefined
  const last = new Promise<readonly DoorOutcome[]>((resolve) => {
    resolveLast = resolve
  })
  const part: WritablePart = {
    sources: values['backup-source'],
    from: beginningOf(values),
    repositoryId: isDirect(repository) ? repository.uniqueId.toString('hex') : c.configFile,
    spoolDirectory: values.spool,
    spoolLimitBytes: values['spool-size'],
    spoolReserveBytes: values['spool-reserve'],
    xattrs: values.xattrs === 'stage' ? 'stage' : 'refuse',
    takeOver: values.takeover,
    encrypt: values['spool-encrypt'],
    rebase: values.rebase,
    controlOf: (overlays, refresh) => flushing.controlOf(overlays, refresh),
    beforeClose: async () => resolveLast(await flushing.end()),
  }
  return { part, flushing, last }
}

function shownAs({ uid, gid, umask = '0', 'owner-root': isRoot }: Values): NonNullable<SnapshotMountOptions['shownAs']> | undefined {
  if (!/^[0-7]{1,4}$/.test(umask)) throw new UsageError(`invalid umask ${umask}; it is an octal number as 077`)
  const [user, group] = isRoot ? [uid ?? 0, gid ?? 0] : [uid, gid]
  if ((user ?? 0) < 0 || (group ?? 0) < 0) throw new UsageError('user and group are numbers from 0 up')
  const mask = Number.parseInt(umask, 8)
  return user === undefined && group === undefined && mask === 0 ? undefined : { uid: user, gid: group, umask: mask }
}

function beginningOf(values: Values): WritablePart['from'] {
  const snapshotId = values['backup-from']
  if (snapshotId === undefined) return values.empty ? 'empty' : undefined
  if (values.empty || values['backup-source'].length > 1) throw new UsageError('--backup-from goes with one source, and not with --empty')
  return { snapshotId }
}

/** Answers commands and signals until the mount has ended and all that was written is flushed. */
async function serveWriting(c: CommandContext, mounted: SnapshotMount, { flushing, last }: Writing): Promise<void> {
  const { openDoor } = await import('#mount/backup/door-server.ts')
  const { mountPoint } = mounted
  const ended = mounted.done.then(() => last)
  const host = {
    mountPoint,
    flush: () => flushing.flush(),
    unmount: (options: { readonly lazy: boolean }) => mounted.unmount(options),
    ended,
    get progress() {
      return flushing.progress
    },
  }
  const door = await openDoor(host, (line) => c.log.warning(line))
  const onSignal = (): void => void flushing.flush()
  process.on('SIGUSR1', onSignal)
  try {
    const failed = (await ended).filter((o) => o.error !== '')
    if (failed.length === 0) return
    const sources = failed.map((o) => o.source).join(', ')
    throw new CommandError(`Unmounted, but not all of ${sources} is in a snapshot: the next mount has it again, and flushes it.`, {
      status: flushFailed,
    })
  } finally {
    process.off('SIGUSR1', onSignal)
    await door.close()
  }
}

/** Opens a folder in whatever the desktop opens folders with. It lives on its own; that it cannot be started is only worth a warning. */
function browse(folder: string, warn: (line: string) => void): void {
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open'
  const child = spawn(opener, [folder], { detached: true, stdio: 'ignore' })
  child.once('error', () => warn(`cannot open ${folder}: there is no ${opener}. Open it in a file manager yourself.`))
  child.unref()
}
