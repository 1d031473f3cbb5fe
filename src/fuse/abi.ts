/** Layouts and constants of the kernel protocol (spec 08, section 3; public header fuse_kernel.h 7.45). Offsets count from the start of
 *  a body. All integers little-endian: x86-64 and arm64. */
export const protocolMajor = 7
export const protocolMinor = 45

export const requestHeaderBytes = 40
export const replyHeaderBytes = 16
export const initOutBytes = 64
export const attrBytes = 88
export const entryOutBytes = 128
export const attrOutBytes = 104
export const openOutBytes = 16
export const statfsOutBytes = 80
export const direntBytes = 24
export const direntPlusBytes = entryOutBytes + direntBytes

export const maxWriteBytes = 1 << 20
export const pageBytes = 4096
export const maxPages = maxWriteBytes / pageBytes
/** What the device wants us to read with: at least max_write + 80. */
export const requestBufferBytes = maxWriteBytes + pageBytes

/** INIT flags, by bit. */
export const initFlag = {
  asyncRead: 1 << 0,
  atomicTruncate: 1 << 3,
  bigWrites: 1 << 5,
  doReaddirPlus: 1 << 13,
  readdirPlusAuto: 1 << 14,
  asyncDirect: 1 << 15,
  writebackCache: 1 << 16,
  noOpenSupport: 1 << 17,
  parallelDirectoryOperations: 1 << 18,
  abortError: 1 << 21,
  maxPages: 1 << 22,
  cacheSymlinks: 1 << 23,
  explicitInvalidation: 1 << 25,
  killPrivileges2: 1 << 28,
  setxattrExtended: 1 << 29,
  extended: 1 << 30,
} as const

/** INIT flags2: bit number of the whole minus 32. */
export const initFlag2 = { directAllowMmap: 1 << 4, noExportSupport: 1 << 6 } as const

export const openFlag = { direct: 1 << 0, keepCache: 1 << 1, cacheListing: 1 << 3, noFlush: 1 << 5 } as const

export const notification = { invalidateNode: 2, invalidateEntry: 3 } as const

export const fileKind = { mask: 0o170000, directory: 0o040000, regular: 0o100000, symlink: 0o120000 } as const

/** SETATTR's `valid` bits. */
export const setattrValid = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  accessed: 1 << 4,
  modified: 1 << 5,
  handle: 1 << 6,
  changed: 1 << 10,
  dropSetIds: 1 << 11,
} as const
