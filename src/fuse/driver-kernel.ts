import { close, stat, write, writeFile, writeSync, writevSync } from 'node:fs'
import { systemCode } from '#base/errors.ts'
import { readDevice } from './device-reader.ts'
import { MountError } from './errors.ts'
import { abortLinux, isRoot, mountLinux, unmountLinux, whyNoLinuxMount } from './mount-linux.ts'
import type { ByteName, FuseDriver, FuseMount, FuseMountOptions, FuseOperations } from './operations.ts'
import { invalidateEntryBytes, invalidateNodeBytes, KernelSession } from './session.ts'

/** Notifications waiting to be written, at most; more are dropped, timeouts then bring the change. */
const maxNotifications = 10_000
const readAheadKiB = 1024
const dirtyPercent = 10

/** Our own driver: speaks the protocol on /dev/fuse. */
export const kernelDriver: FuseDriver = {
  name: 'kernel',
  whyNot: whyNoLinuxMount,
  async mount(operations, options) {
    const fd = await mountLinux(options)
    return new KernelMount(fd, operations, options)
  },
}

class KernelMount implements FuseMount {
  readonly done: Promise<void>
  private open = true
  private readonly notifications: Buffer[] = []
  private notifying = false

  constructor(
    private readonly fd: number,
    operations: FuseOperations,
    private readonly options: FuseMountOptions,
  ) {
    const session = new KernelSession(operations, (header, body) => this.send(header, body), options)
    const reader = readDevice(fd, (batch) => session.receive(batch))
    const atExit = (): void => abortLinux(options.mountPoint)
    if (reader.holdsProcess) process.once('exit', atExit)
    this.done = reader.ended.then((code) => {
      process.removeListener('exit', atExit)
      this.open = false
      this.closeDevice()
      operations.destroy?.()
      if (code !== 'ENODEV' && code !== 'ECONNABORTED')
        throw new MountError(`The mount on ${options.mountPoint} broke: reading its device failed with ${code}.`)
    })
    this.done.catch(() => undefined) // also where nobody waits for it
    if (isRoot()) raiseLimits(options.mountPoint, options.writebackCache === true)
  }

  invalidateEntry(parent: number, name: ByteName): void {
    this.notify(invalidateEntryBytes(parent, name))
  }

  invalidateNode(node: number): void {
    this.notify(invalidateNodeBytes(node))
  }

  async unmount(options: { readonly lazy?: boolean } = {}): Promise<void> {
    if (this.open) await unmountLinux(this.options.mountPoint, options)
  }

  /** One reply. ENOENT: its caller is gone. A device that has ended: nothing to do, the reader tells. */
  private send(header: Buffer, body: Uint8Array | undefined): boolean {
    if (!this.open) return false
    try {
      if (body === undefined) writeSync(this.fd, header)
      else writevSync(this.fd, [header, body])
      return true
    } catch (error) {
      const code = systemCode(error)
      if (code !== 'ENOENT' && code !== 'ENODEV' && code !== 'ECONNABORTED') this.options.report?.('reply', error)
      return false
    }
  }

  /** Written on the thread pool, one at a time: the kernel may wait for a request that this thread still has to answer (spec 08, 3.9). */
  private notify(bytes: Buffer): void {
    if (!this.open || this.notifications.length >= maxNotifications) return
    this.notifications.push(bytes)
    if (!this.notifying) this.writeNext()
  }

  private writeNext(): void {
    const bytes = this.notifications.shift()
    this.notifying = bytes !== undefined
    if (bytes === undefined) {
      if (!this.open) this.closeDevice()
      return
    }
    write(this.fd, bytes, () => {
      if (!this.open) this.notifications.length = 0
      this.writeNext()
    })
  }

  private closeDevice(): void {
    if (!this.notifying) close(this.fd, () => undefined)
  }
}

/** Lets the kernel ask for 1 MiB at a time, and keep more dirty pages than 1 % of those that it may (spec 08, 3.13). Best effort: without it
 *  reads come in 128 KiB, and writers wait sooner. */
function raiseLimits(mountPoint: string, isWriteback: boolean): void {
  stat(mountPoint, (error, found) => {
    if (error) return
    const major = (found.dev >>> 8) & 0xfff
    const minor = (found.dev & 0xff) | ((found.dev >>> 12) & 0xfff00)
    const set = (name: string, value: number): void => writeFile(`/sys/class/bdi/${major}:${minor}/${name}`, `${value}`, () => undefined)
    set('read_ahead_kb', readAheadKiB)
    if (isWriteback) set('max_ratio', dirtyPercent)
  })
}
