import { chmod, type FileHandle, open, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { systemCode } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'

const modeBits = 0o7777
const anyone = 0o777
/** What a folder is given back that a mount left closed because it was killed. */
const usualMode = 0o700

const setImmutable = ({ fd }: FileHandle, wanted: boolean): boolean => nativeAddon()?.setImmutable?.(fd, wanted) === true

/** Closes the folder under a writable mount while the mount is there: should the mount vanish without a word, what a program goes on writing
 *  to that path is refused instead of being put where nobody looks for it (spec 08, 4.10). Its mode holds everybody back but root; the
 *  immutable flag, which only root can set, root too. Temporary folders stay without the flag, so that they can be cleaned up. */
export class BareFolder {
  private isShut = false
  private isImmutable = false

  private constructor(
    private readonly mayBeImmutable: boolean,
    private readonly handle: FileHandle,
    private readonly mode: number,
  ) {}

  /** To be called before mounting. Undefined when the folder is not there or not ours: then nothing is changed. */
  static async open(path: string, temporaryFolder = tmpdir()): Promise<BareFolder | undefined> {
    try {
      const mode = (await stat(path)).mode & modeBits
      const isLeftClosed = await reopenFolder(path)
      return new BareFolder(!`${path}/`.startsWith(`${temporaryFolder}/`), await open(path, 'r'), isLeftClosed ? usualMode : mode)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      return undefined
    }
  }

  /** The mount is there: the folder below it can only be reached by the handle. A folder of somebody else stays as it is. */
  async shut(): Promise<void> {
    this.isShut = await this.handle.chmod(0).then(
      () => true,
      () => false,
    )
    if (this.isShut && this.mayBeImmutable) this.isImmutable = setImmutable(this.handle, true)
  }

  /** The mount has ended, or never was. */
  async release(): Promise<void> {
    if (this.isImmutable) setImmutable(this.handle, false)
    if (this.isShut) await this.handle.chmod(this.mode).catch(() => undefined)
    await this.handle.close()
  }
}

/** Opens a folder again that a killed mount left closed; true when it was one. System errors. */
export async function reopenFolder(path: string): Promise<boolean> {
  if (((await stat(path)).mode & anyone) !== 0) return false
  const handle = await open(path, 'r').catch(() => undefined) // nobody but root may, and only root makes it immutable
  if (handle !== undefined) {
    setImmutable(handle, false)
    await handle.close()
  }
  await chmod(path, usualMode)
  return true
}
