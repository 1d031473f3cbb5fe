declare module 'fuse-native' {
  type Done<A extends unknown[] = []> = (error: number, ...results: A) => void

  interface Stat {
    mode: number
    uid: number
    gid: number
    size: number
    dev: number
    nlink: number
    ino: number
    rdev: number
    blksize: number
    blocks: number
    atime: number
    mtime: number
    ctime: number
  }

  interface Handlers {
    init?(done: Done): void
    getattr?(path: string, done: Done<[Stat?]>): void
    fgetattr?(path: string, handle: number, done: Done<[Stat?]>): void
    readdir?(path: string, done: Done<[string[]?, Stat[]?]>): void
    readlink?(path: string, done: Done<[string?]>): void
    open?(path: string, flags: number, done: Done<[number?]>): void
    read?(path: string, handle: number, into: Buffer, length: number, offset: number, done: (bytesOrError: number) => void): void
    release?(path: string, handle: number, done: Done): void
    statfs?(path: string, done: Done<[Record<string, number>?]>): void
  }

  interface Options {
    allowOther?: boolean
    defaultPermissions?: boolean
    fsname?: string
    subtype?: string
    kernelCache?: boolean
    entryTimeout?: number
    attrTimeout?: number
    timeout?: number | false
    force?: boolean
  }

  class Fuse {
    constructor(mountPoint: string, handlers: Handlers, options?: Options)
    mount(done: (error: Error | null) => void): void
    unmount(done: (error: Error | null) => void): void
    static unmount(mountPoint: string, done: (error: Error | null) => void): void
  }

  export = Fuse
}
