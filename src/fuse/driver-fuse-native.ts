import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import type Fuse from 'fuse-native'
import { messageOf } from '#base/errors.ts'
import { errnoOf } from './errno.ts'
import { MountError } from './errors.ts'
import { checkMountPoint, unmountLinux } from './mount-linux.ts'
import { mountAt } from './mount-table.ts'
import {
  type Attributes,
  type Caller,
  type DirectoryPage,
  type FuseDriver,
  type FuseMount,
  type FuseMountOptions,
  type FuseOperations,
  rootNode,
  type Statistics,
} from './operations.ts'
import { PathNodes } from './path-nodes.ts'

const pollMs = 500
const entrySeconds = 1

/** Driver over the package fuse-native (libfuse 2): for macOS, and for comparison. Paths are mapped to nodes here. */
export const fuseNativeDriver: FuseDriver = {
  name: 'fuse-native',
  isReadOnly: true,
  async whyNot() {
    try {
      loadPackage()
      return undefined
    } catch (error) {
      return `the package fuse-native does not load: ${(messageOf(error).split('\n')[0] as string).replace(/\.$/, '')}.`
    }
  },
  async mount(operations, options) {
    await checkMountPoint(options.mountPoint, options.allowNonEmpty)
    const mount = new NativeMount(operations, options)
    await mount.start()
    return mount
  },
}

const loadPackage = (): typeof Fuse => createRequire(import.meta.url)('fuse-native') as typeof Fuse

class NativeMount implements FuseMount {
  readonly done: Promise<void>
  private resolveDone: () => void = () => undefined
  private readonly caller: Caller = {
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    pid: 0,
    signal: new AbortController().signal,
  }
  private readonly paths: PathNodes
  private readonly fuse: Fuse

  constructor(
    private readonly operations: FuseOperations,
    private readonly options: FuseMountOptions,
  ) {
    this.done = new Promise((resolve) => {
      this.resolveDone = resolve
    })
    this.paths = new PathNodes(operations, this.caller)
    // The package passes fsname on as it is, so options it has no name for can ride along.
    const fsname = [options.sourceName, ...(options.readOnly ? ['ro'] : []), 'use_ino'].join(',')
    this.fuse = new (loadPackage())(options.mountPoint, this.handlers(), {
      allowOther: options.allowOther,
      defaultPermissions: options.defaultPermissions,
      fsname,
      subtype: 'kura',
      kernelCache: true,
      entryTimeout: entrySeconds,
      attrTimeout: entrySeconds,
      timeout: false,
    })
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.fuse.mount((error) => {
        if (error) return reject(new MountError(`Cannot mount on ${this.options.mountPoint}: ${error.message}`, { cause: error }))
        this.watch()
        resolve()
      })
    })
  }

  /** Timeouts of one second bring changes: libfuse's path interface has no notifications. */
  invalidateEntry(): void {}
  invalidateNode(): void {}

  async unmount(options: { readonly lazy?: boolean } = {}): Promise<void> {
    if (process.platform === 'darwin') await unmountDarwin(this.options.mountPoint, options.lazy === true)
    else await unmountLinux(this.options.mountPoint, options)
  }

  /** The package tells nobody when the mount is gone: the mount table does. Its own unmount waits on this thread for a thread that may
   *  wait for us, so it is never called. */
  private watch(): void {
    const timer = setInterval(async () => {
      if ((await mountAt(this.options.mountPoint)) !== undefined) return
      clearInterval(timer)
      this.operations.destroy?.()
      this.resolveDone()
    }, pollMs)
  }

  private handlers(): Handlers {
    const { operations: o, caller } = this
    const answer = <T>(name: string, path: string, work: (node: number) => Promise<T>, done: (error: number, result?: T) => void): void => {
      this.options.trace?.(`${name} ${path}`)
      this.withNode(path, work).then(
        (result) => done(0, result),
        (error: unknown) => done(-this.numberOf(name, error)),
      )
    }
    const status = async (node: number): Promise<Stat> => statOf(await this.attributesOf(node))
    return {
      getattr: (path, done) => answer('getattr', path, status, done),
      fgetattr: (path, _handle, done) => answer('fgetattr', path, status, done),
      readdir: (path, done) => answer('readdir', path, (node) => this.namesIn(node), done),
      readlink: (path, done) => answer('readlink', path, async (node) => textOf(await o.readlink?.(caller, node)), done),
      open: (path, flags, done) => answer('open', path, async (node) => (await o.open?.(caller, node, flags))?.handle ?? 0, done),
      read: (path, handle, into, length, offset, done) => {
        const work = async (node: number): Promise<number> => {
          const bytes = (await o.read?.(caller, node, handle, offset, length)) ?? new Uint8Array(0)
          into.set(bytes.subarray(0, length))
          return Math.min(bytes.length, length)
        }
        answer('read', path, work, (error, count) => done(error !== 0 ? error : (count ?? 0)))
      },
      release: (path, handle, done) =>
        answer(
          'release',
          path,
          async (node) => o.release?.(node, handle),
          (error) => done(error),
        ),
      statfs: (path, done) => answer('statfs', path, async () => counts(await o.statfs?.(caller, rootNode)), done),
    }
  }

  private numberOf(name: string, error: unknown): number {
    const number = errnoOf(error)
    if (number === errnoOf(undefined)) this.options.report?.(name, error)
    return number
  }

  private async withNode<T>(path: string, work: (node: number) => Promise<T>): Promise<T> {
    const held = await this.paths.find(path)
    try {
      return await work(held.node)
    } finally {
      held.done()
    }
  }

  private async attributesOf(node: number): Promise<Attributes> {
    return { ...(await this.operations.getattr(this.caller, node, undefined)).attributes }
  }

  private async namesIn(node: number): Promise<string[]> {
    const { operations: o, caller } = this
    const handle = (await o.opendir?.(caller, node, 0))?.handle ?? 0
    const names: string[] = []
    let cookie = 0
    const add = (name: Uint8Array | string, next: number): boolean => {
      names.push(Buffer.from(typeof name === 'string' ? Buffer.from(name, 'latin1') : name).toString('utf8'))
      cookie = next
      return true
    }
    const page: DirectoryPage = { add, addEntry: add }
    try {
      await o.readdir?.(caller, node, handle, cookie, page)
    } finally {
      await o.releasedir?.(node, handle)
    }
    return names
  }
}

const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? new Uint8Array(0)).toString('utf8')
const milliseconds = (seconds: number, ns: number): number => Math.max(0, seconds * 1000 + Math.floor(ns / 1_000_000))

type Handlers = NonNullable<ConstructorParameters<typeof Fuse>[1]>
type Stat = NonNullable<Parameters<Parameters<NonNullable<Handlers['getattr']>>[1]>[1]>

function counts(s: Statistics | undefined): Record<string, number> {
  if (s === undefined) return {}
  return {
    bsize: s.blockBytes,
    frsize: s.blockBytes,
    blocks: s.blocks,
    bfree: s.freeBlocks,
    bavail: s.availableBlocks,
    files: s.files,
    ffree: s.freeFiles,
    namemax: s.nameBytes,
  }
}

function statOf(a: Attributes): Stat {
  return {
    mode: a.mode,
    uid: a.uid,
    gid: a.gid,
    size: a.sizeBytes,
    dev: 0,
    nlink: a.linkCount,
    ino: a.inode % 0x1_0000_0000, // the package hands over 32 bits
    rdev: a.device,
    blksize: a.blockBytes,
    blocks: a.blocks,
    atime: milliseconds(a.accessedSeconds, a.accessedNs),
    mtime: milliseconds(a.modifiedSeconds, a.modifiedNs),
    ctime: milliseconds(a.changedSeconds, a.changedNs),
  }
}

function unmountDarwin(path: string, force: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('umount', [...(force ? ['-f'] : []), path], { stdio: 'ignore' })
    child.on('error', reject)
    child.on('close', (status) => (status === 0 ? resolve() : reject(new MountError(`Cannot unmount ${path}: it is in use.`))))
  })
}
