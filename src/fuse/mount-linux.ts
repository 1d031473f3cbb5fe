import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { access, readdir, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, systemCode } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'
import { MountBusyError, MountError } from './errors.ts'
import { mountAt, ourMountType } from './mount-table.ts'
import type { FuseMountOptions } from './operations.ts'
import { vfsFlagBits } from './vfs-flags.ts'

const device = '/dev/fuse'
const subtype = 'kura'
const abortTimeoutMs = 3_000
const busyTries = 6
const busyWaitMs = 200
const mountFlags = { readOnly: 1, noSetuid: 2, noDevices: 4 } as const

export const isRoot = (): boolean => process.geteuid?.() === 0

/** Why this system cannot mount through /dev/fuse, or undefined. */
export async function whyNoLinuxMount(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'not a Linux system'
  try {
    await stat(device)
  } catch {
    return `${device} does not exist. Load the kernel module with "modprobe fuse"; in a container, pass the device in.`
  }
  if (isRoot()) return undefined
  if ((await findFusermount()) === undefined) return 'fusermount3 was not found. Install the package fuse3.'
  const readable = await access(device, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!readable) return `${device} may not be opened by this user. Its mode should be 0666 (chmod 0666 ${device} as root).`
  if (nativeAddon() === undefined)
    return 'without root the native addon is needed to take over the device from fusermount3. Run "npm run build:native".'
  return undefined
}

/** Checks the directory, mounts, and returns the open device. The kernel's first request waits until it is read. Throws MountError.
 *  Source: spec 08, 3.14. */
export async function mountLinux(options: FuseMountOptions): Promise<number> {
  await checkMountPoint(options.mountPoint, options.allowNonEmpty)
  const why = await whyNoLinuxMount()
  if (why !== undefined) throw new MountError(`Cannot mount on ${options.mountPoint}: ${why}`)
  return isRoot() ? mountAsRoot(options) : mountAsUser(options)
}

/** Refuses what is no usable mount point: missing, not a directory, not empty, dead. */
export async function checkMountPoint(path: string, allowNonEmpty: boolean): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    const code = systemCode(error)
    if (code === 'ENOENT') throw new MountError(`Cannot mount on ${path}: the directory does not exist. Create it first.`)
    if (code === 'ENOTCONN')
      throw new MountError(
        `Cannot mount on ${path}: a mount whose process has ended is still there. Remove it with "kura unmount ${path}".`,
      )
    throw new MountError(`Cannot mount on ${path}: ${messageOf(error)}`, { cause: error })
  })
  if (!found.isDirectory()) throw new MountError(`Cannot mount on ${path}: it is not a directory.`)
  if ((await mountAt(path))?.type === ourMountType)
    throw new MountError(
      `Cannot mount on ${path}: something is already mounted there by Kura. Unmount it first with "kura unmount ${path}".`,
    )
  if (allowNonEmpty) return
  const entries = await readdir(path).catch(() => [])
  if (entries.length > 0)
    throw new MountError(`Cannot mount on ${path}: the directory is not empty. Choose an empty one or pass --fuse-allow-non-empty-mount.`)
}

function mountAsRoot(options: FuseMountOptions): Promise<number> {
  const fd = openSync(device, 'r+')
  const data = (fd: number): string => {
    const parts = [`fd=${fd}`, 'rootmode=40000', `user_id=${process.geteuid?.() ?? 0}`, `group_id=${process.getegid?.() ?? 0}`]
    if (options.allowOther) parts.push('allow_other')
    if (options.defaultPermissions) parts.push('default_permissions')
    return parts.join(',')
  }
  const failed = (error: unknown): never => {
    closeSync(fd)
    throw new MountError(`Cannot mount on ${options.mountPoint}: ${messageOf(error)}`, { cause: error })
  }
  const addon = nativeAddon()
  if (addon !== undefined) {
    try {
      const chosen = (options.vfsFlags ?? []).reduce((bits, name) => bits | vfsFlagBits[name], 0)
      const flags = (options.readOnly ? mountFlags.readOnly : 0) | mountFlags.noSetuid | mountFlags.noDevices | chosen
      addon.mount(options.sourceName, options.mountPoint, ourMountType, flags, data(fd))
      return Promise.resolve(fd)
    } catch (error) {
      return Promise.resolve().then(() => failed(error))
    }
  }
  // The child has the device as its descriptor 3.
  const vfs = [options.readOnly ? 'ro' : 'rw', 'nosuid', 'nodev', ...(options.vfsFlags ?? []), data(3)].join(',')
  const child = spawn('mount', ['-i', '-t', ourMountType, '-o', vfs, options.sourceName, options.mountPoint], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
  })
  return outcome(child).then((text) => (text === undefined ? fd : failed(new Error(`mount: ${text}`))), failed)
}

async function mountAsUser(options: FuseMountOptions): Promise<number> {
  const addon = nativeAddon()
  const program = await findFusermount()
  if (addon === undefined || program === undefined) throw new MountError('Cannot mount: fusermount3 or the native addon is missing.')
  const parts = [
    `fsname=${options.sourceName}`,
    `subtype=${subtype}`,
    options.readOnly ? 'ro' : 'rw',
    'nosuid',
    'nodev',
    ...(options.vfsFlags ?? []),
  ]
  if (options.allowOther) parts.push('allow_other')
  if (options.defaultPermissions) parts.push('default_permissions')
  const [ours, theirs] = addon.socketPair()
  try {
    const child = spawn(program, ['-o', parts.join(','), '--', options.mountPoint], {
      stdio: ['ignore', 'ignore', 'pipe', theirs],
      env: { ...process.env, _FUSE_COMMFD: '3' },
    })
    const text = await outcome(child)
    if (text !== undefined) throw new MountError(`Cannot mount on ${options.mountPoint}: ${text}${adviceOn(text)}`)
    return addon.receiveDescriptor(ours)
  } finally {
    closeSync(ours)
    closeSync(theirs)
  }
}

const adviceOn = (text: string): string =>
  text.includes('user_allow_other') ? '. Add the line "user_allow_other" to /etc/fuse.conf, or leave the option out.' : ''

/** Ends the mount at an absolute path. MountBusyError while files are open and not `lazy`; MountError else. Indexers and file managers look
 *  into every file for a moment: what is busy is tried again for a second. */
export async function unmountLinux(path: string, options: { readonly lazy?: boolean } = {}): Promise<void> {
  const helper = isRoot() ? undefined : await findFusermount()
  if (!isRoot() && helper === undefined)
    throw new MountError(`Cannot unmount ${path}: fusermount3 was not found. Install the package fuse3.`)
  const [program, ...args] =
    helper === undefined
      ? ['umount', '-i', '-c', ...(options.lazy ? ['-l'] : []), path]
      : [helper, '-u', ...(options.lazy ? ['-z'] : []), '--', path]
  for (let tries = 1; ; tries++) {
    const text = await outcome(spawn(program as string, args, { stdio: ['ignore', 'ignore', 'pipe'] }))
    if (text === undefined || (await mountAt(path)) === undefined) return
    if (!/busy/i.test(text)) throw new MountError(`Cannot unmount ${path}: ${text}`)
    if (tries === busyTries)
      throw new MountBusyError(`Cannot unmount ${path}: files below it are in use. Close them and try again, or unmount lazily.`)
    await sleep(busyWaitMs)
  }
}

/** Ends the connection of a mount whatever is in use, without waiting for an answer of the file system. Synchronous, for the end of a
 *  process. Root only. */
export function abortLinux(path: string): void {
  spawnSync('umount', ['-i', '-c', '-f', '-l', path], { stdio: 'ignore', timeout: abortTimeoutMs })
}

async function findFusermount(): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/bin', '/bin', '/usr/local/bin']
  for (const name of ['fusermount3', 'fusermount'])
    for (const folder of folders) {
      const path = `${folder}/${name}`
      if (
        folder.startsWith('/') &&
        (await access(path, constants.X_OK).then(
          () => true,
          () => false,
        ))
      )
        return path
    }
  return undefined
}

/** Waits for a program: undefined when it succeeded, else what it said. */
function outcome(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.on('error', reject)
    child.on('close', (status, signal) => resolve(status === 0 ? undefined : said.trim() || `ended with ${signal ?? `status ${status}`}`))
  })
}
