import { chmod, type FileHandle, open, stat } from 'node:fs/promises'
import { systemCode } from '#base/errors.ts'

const modeBits = 0o7777
const anyone = 0o777
/** What a folder is given back that a mount left closed because it was killed. */
const usualMode = 0o700

/** Closes the folder under a writable mount while the mount is there: should the mount vanish without a word, what a program goes on writing
 *  to that path is refused instead of being put where nobody looks for it (spec 08, 4.10). Root is not held back by modes. */
export class BareFolder {
  private isShut = false

  private constructor(
    private readonly handle: FileHandle,
    private readonly mode: number,
  ) {}

  /** To be called before mounting. Undefined when the folder is not there or not ours: then nothing is changed. */
  static async open(path: string): Promise<BareFolder | undefined> {
    try {
      const mode = (await stat(path)).mode & modeBits
      const isLeftClosed = (mode & anyone) === 0
      if (isLeftClosed) await chmod(path, usualMode)
      return new BareFolder(await open(path, 'r'), isLeftClosed ? usualMode : mode)
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
  }

  /** The mount has ended, or never was. */
  async release(): Promise<void> {
    if (this.isShut) await this.handle.chmod(this.mode).catch(() => undefined)
    await this.handle.close()
  }
}
