import { close, constants, open, read } from 'node:fs'

interface OpenFile {
  readonly fd: Promise<number>
  users: number
  usedMs: number
  forgotten: boolean
}

const maxOpenFiles = 64
/** Long enough for a burst of reads from one pack, short enough that a file deleted meanwhile is soon missed. */
const keepOpenMs = 1000

/** Keeps files open for a moment between reads of ranges: contents are read from few packs in quick succession, and opening costs more
 *  than reading. Only for files whose bytes never change. */
export class OpenFiles {
  readonly #files = new Map<string, OpenFile>()
  #timer: NodeJS.Timeout | undefined

  /** Reads up to `into.length` bytes at `position`; returns how many there were. Throws the system error of opening or reading. */
  read(path: string, into: Buffer, position: number): Promise<number> {
    return this.use(path, async (fd) => {
      let got = 0
      while (got < into.length) {
        const bytes = await readAt(fd, into, got, position + got)
        if (bytes === 0) break
        got += bytes
      }
      return got
    })
  }

  /** Runs `work` with the file's descriptor, which is not closed before it ends. Throws the system error of opening, and what `work` throws. */
  async use<T>(path: string, work: (fd: number) => Promise<T>): Promise<T> {
    const file = this.#acquire(path)
    try {
      return await work(await file.fd)
    } finally {
      file.users--
      file.usedMs = performance.now()
      if (file.forgotten && file.users === 0) closeFile(file)
      this.#schedule()
    }
  }

  /** Lets go of a file that is about to be replaced or deleted, so that the next read sees what is there then. Reads under way end with
   *  the old bytes. */
  forget(path: string): void {
    const file = this.#files.get(path)
    if (!file) return
    this.#files.delete(path)
    file.forgotten = true
    if (file.users === 0) closeFile(file)
  }

  /** Closes all files that nobody reads at the moment; the rest when their reads end. */
  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#sweep(Number.POSITIVE_INFINITY)
  }

  #acquire(path: string): OpenFile {
    const known = this.#files.get(path)
    if (known) {
      known.users++
      return known
    }
    if (this.#files.size >= maxOpenFiles) this.#sweep(Number.POSITIVE_INFINITY)
    const file: OpenFile = { fd: openFile(path), users: 1, usedMs: performance.now(), forgotten: false }
    this.#files.set(path, file)
    // A file that cannot be opened is tried anew the next time.
    file.fd.catch(() => {
      if (this.#files.get(path) === file) this.#files.delete(path)
    })
    return file
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#files.size === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#sweep(performance.now() - keepOpenMs)
      this.#schedule()
    }, keepOpenMs)
    this.#timer.unref()
  }

  #sweep(unusedSinceMs: number): void {
    for (const [path, file] of this.#files)
      if (file.users === 0 && file.usedMs <= unusedSinceMs) {
        this.#files.delete(path)
        closeFile(file)
      }
  }
}

const closeFile = (file: OpenFile): void => {
  file.fd.then(
    (fd) => close(fd, () => undefined),
    () => undefined,
  )
}

/** A pipe in the place of a file would keep a thread waiting for somebody who writes into it, without this. */
export const readWithoutWaiting = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

const openFile = (path: string): Promise<number> =>
  new Promise((resolve, reject) => open(path, readWithoutWaiting, (error, fd) => (error ? reject(error) : resolve(fd))))

const readAt = (fd: number, into: Buffer, offset: number, position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    read(fd, into, offset, into.length - offset, position, (error, bytes) => (error ? reject(error) : resolve(bytes)))
  })
