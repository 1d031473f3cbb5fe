/** Number of this interface, the same as in native/addon.c. It goes up by one whenever something that both have comes to mean something
 *  else; a new member needs no new number. */
export const addonVersion = 2

/** Functions of the C addon (native/). Each has a TypeScript twin at its caller; the addon checks its arguments again. */
export interface NativeAddon {
  /** addonVersion, as the addon was built. */
  readonly version: number
  /** Code path that the CPU allows: 'portable', 'avx2' or 'avx512'. */
  readonly cpu: string
  /** All paths that it allows, the slowest first. */
  readonly cpus: readonly string[]
  /** Takes another one of them, in tests and measurements; returns the one used before. */
  useCpu(path: string): string
  /** Keyed digests of many messages, `out` receives count × sizeBytes. Algorithm = registry name of spec 01, 1.16. Runs on the thread pool,
   *  BLAKE2 with several messages at once in SIMD lanes, BLAKE3 with the chunks of all of them. BLAKE3 takes a key of 32 bytes. */
  digestMany(algorithm: string, key: Uint8Array, messages: readonly Uint8Array[], out: Uint8Array): Promise<void>
  /** digestMany for pieces of one piece of memory: `ranges` are start and length of each. */
  digestRanges(algorithm: string, key: Uint8Array, whole: Uint8Array, ranges: Uint32Array, out: Uint8Array): Promise<void>
  digest(algorithm: string, key: Uint8Array, message: Uint8Array, out: Uint8Array): void
  /** Which hash names `digest` takes. */
  readonly digests: readonly string[]
  /** End of the segment that starts at `start` (absolute, exclusive), or -1 when `data` ends first. Bytes before `resume` were looked at
   *  by an earlier call. `kind` 0 = BUZHASH, 1 = RABINKARP; average = power of two (spec 03, 2.3). */
  findCut(kind: number, averageBytes: number, data: Uint8Array, start: number, resume: number): number
  crc32c(data: Uint8Array): number
  /** scryptROMix (RFC 7914, section 5) of one block of 128 × r bytes, in place; `n` = power of two. Takes n times as much memory meanwhile. */
  scryptMix(state: Uint8Array, n: number): Promise<void>
  /** parity = matrix × data over GF(2^8)/0x11d. `matrix` is rows × columns; shards lie one after another (spec 01, 1.20.4). */
  galoisMultiply(matrix: Uint8Array, rows: number, columns: number, shards: Uint8Array, shardBytes: number, out: Uint8Array): void
  /** nonce(12) || ciphertext || tag(16) per plaintext, key derived from secret and identity (spec 01, 1.17). `cipher` 0 = AES-256-GCM,
   *  1 = ChaCha20-Poly1305. With `out` the results lie in it one after another, and the array counts for nothing. */
  sealMany(
    cipher: number,
    secret: Uint8Array,
    plains: readonly Uint8Array[],
    identities: readonly Uint8Array[],
    out?: Uint8Array,
  ): Promise<Buffer[]>
  /** sealMany for pieces of one piece of memory: `ranges` are start and length of each, `identities` have 16 bytes each. */
  sealRanges(
    cipher: number,
    secret: Uint8Array,
    whole: Uint8Array,
    ranges: Uint32Array,
    identities: Uint8Array,
    out: Uint8Array,
  ): Promise<void>
  /** Seals bodies where they lie; `edges` receives nonce and tag of each (28 bytes), `identities` have 16 bytes each. */
  sealInPlace(cipher: number, secret: Uint8Array, bodies: readonly Uint8Array[], identities: Uint8Array, edges: Uint8Array): Promise<void>
  /** Inverse for one; rejects with the code `TAG_MISMATCH` when the tag does not match. With `into`, exactly as long as the plain bytes, they
   *  are put there, and it is what the promise resolves to; after a failure its bytes are rubbish. */
  open(cipher: number, secret: Uint8Array, sealed: Uint8Array, identity: Uint8Array, into?: Uint8Array): Promise<Buffer>
  /** The same for sealed bytes [offset, offset + length) of an open file, read and decrypted piece by piece in one job. The caller keeps the
   *  descriptor open. Codes: `TAG_MISMATCH`, `SHORT_READ`, `READ_FAILED`. */
  openFile(
    cipher: number,
    secret: Uint8Array,
    fd: number,
    offset: number,
    length: number,
    identity: Uint8Array,
    into?: Uint8Array,
  ): Promise<Buffer>
  /** open for pieces of one piece of memory: `ranges` are start and length of each, `identities` have 16 bytes each. Plain bytes lie in `out`
   *  one after another; `states` receives 1 where they are good, else 0. */
  openRanges(
    cipher: number,
    secret: Uint8Array,
    whole: Uint8Array,
    ranges: Uint32Array,
    identities: Uint8Array,
    out: Uint8Array,
    states: Uint8Array,
  ): Promise<void>
  /** zstd through libzstd.so.1; undefined where the library is missing. */
  readonly zstd:
    | { compress(data: Uint8Array, level: number): Promise<Buffer>; expand(data: Uint8Array, maxBytes: number): Promise<Buffer> }
    | undefined
  /** Stream of S2 (spec 03, 3.3), the same bytes as by the twin; at once for short inputs, on the thread pool for others. */
  s2Compress(data: Uint8Array): Buffer | Promise<Buffer>
  /** Plain bytes of an S2 or framed Snappy stream. Throws or rejects: the code `TOO_LONG` for more than `maxBytes`. */
  s2Expand(data: Uint8Array, maxBytes: number): Buffer | Promise<Buffer>
  /** Names of the extended attributes of a path, links not followed; [] when it has none or the file system knows none. */
  xattrNames(path: Uint8Array): string[]
  /** Lists a directory, looks at every entry, and matches files and links with the entries of a directory object (`previous`, may be
   *  empty). Gives the number of the system error when the directory cannot be listed; else what folder-scan.ts takes apart. */
  scanDirectory(path: Uint8Array, previous: Uint8Array): Promise<ArrayBuffer | number>
  /** Reads files whole, none followed or waited for. `paths`: each with a zero byte behind it. `rooms`: bytes in `slab` for each, one more
   *  than the file should have. `lengths` receives how many it had; -1 when it had more or fewer, or cannot be read. */
  readFiles(paths: Uint8Array, rooms: Uint32Array, slab: Uint8Array, lengths: Int32Array): Promise<void>
  /** A file as memory, given back when nothing refers to it any more; undefined for files below `minBytes`, such as cannot be opened, and
   *  where the file system is not one of this machine's own. Whoever cuts a mapped file short ends this process: only for files that are
   *  replaced by renaming. */
  mapFile(path: Uint8Array, minBytes: number): ArrayBuffer | undefined
  /** Gives the memory of a whole mapped file back until it is looked at again; false, and nothing done, for any other bytes. */
  forgetPages(bytes: Uint8Array): boolean
  /** Rows of `keys`, which lie one after another, in the sorted rows of an index file (spec 02, 3.4); -1 where there is none. */
  findRows(file: Uint8Array, start: number, stride: number, count: number, keyBytes: number, keys: Uint8Array, rows: Int32Array): void
  /** Keys of findRows for IDs that stand in `text` as digits: `places` are start and end of each. False when one has not as many digits as fill
   *  its key, or holds something else; then the keys are rubbish. */
  hexKeys(text: Uint8Array, places: Uint32Array, keys: Uint8Array): boolean
  /** Adds the rows of an index file to the table of index/file-table.ts. Returns how many, fewer than `count` when they pile up in it. */
  fillTable(
    file: Uint8Array,
    start: number,
    stride: number,
    count: number,
    keyBytes: number,
    files: Uint16Array,
    marks: Uint8Array,
    number: number,
  ): number
  /** Makes new files in a directory (both ends in a zero byte: `directory`, and each of `names`), with bytes of `whole` by `ranges` (start and
   *  length). `attributes`: mode, owner and group of each; `times`: seconds and nanoseconds of each. `flags`: 1 sets owners, 2 modes, 4 times;
   *  8 goes on where that is refused. `results` receives 0 or the number of the system error of each; then nothing is left of that file. */
  writeFiles(
    directory: Uint8Array,
    names: Uint8Array,
    whole: Uint8Array,
    ranges: Uint32Array,
    attributes: Uint32Array,
    times: Uint8Array,
    flags: number,
    results: Int32Array,
  ): Promise<void>
  /** Sets access and modification time of a path to the nanosecond, links not followed. */
  setTimes(path: Uint8Array, seconds: number, nanoseconds: number): void
  /** Gives the space of a range of a file back (fallocate(2)), its size stays; false where the file system cannot. */
  readonly punchHole: ((fd: number, offset: number, length: number) => boolean) | undefined
  /** Sets or clears the immutable flag (chattr(1) `i`); false where there is none or this process may not. */
  readonly setImmutable: ((fd: number, wanted: boolean) => boolean) | undefined
  /** Receives one file descriptor over the Unix socket `socket` (SCM_RIGHTS). Used with fusermount3. */
  receiveDescriptor(socket: number): number
  /** A connected pair of Unix stream sockets, both close-on-exec except the second. */
  socketPair(): [number, number]
  /** Waits for requests of a FUSE device in the event loop and hands over what is there, each request padded to 8 bytes; true = nothing
   *  of the batch is kept. The last call brings the code that ended the reading (`ENODEV` = unmounted). Keeps the process alive until
   *  then. The descriptor becomes non-blocking. */
  readDevice(fd: number, maxRequestBytes: number, deliver: (batch: Buffer | undefined, end: string | undefined) => boolean): void
  /** mount(2) / umount2(2); throw errors with a `code` (`EPERM` …). */
  mount(source: string, target: string, type: string, flags: number, data: string): void
  unmount(target: string, flags: number): void
}

/** What each member is, so that an addon without one of them is not used. */
export const nativeMembers: Readonly<Record<keyof NativeAddon, 'function' | 'number' | 'string' | 'object' | 'optional'>> = {
  version: 'number',
  cpu: 'string',
  cpus: 'object',
  useCpu: 'function',
  digestMany: 'function',
  digestRanges: 'function',
  digest: 'function',
  digests: 'object',
  findCut: 'function',
  crc32c: 'function',
  scryptMix: 'function',
  galoisMultiply: 'function',
  sealMany: 'function',
  sealRanges: 'function',
  sealInPlace: 'function',
  open: 'function',
  openFile: 'function',
  openRanges: 'function',
  zstd: 'optional',
  s2Compress: 'function',
  s2Expand: 'function',
  xattrNames: 'function',
  scanDirectory: 'function',
  readFiles: 'function',
  writeFiles: 'function',
  mapFile: 'function',
  forgetPages: 'function',
  findRows: 'function',
  hexKeys: 'function',
  fillTable: 'function',
  setTimes: 'function',
  punchHole: 'optional',
  setImmutable: 'optional',
  receiveDescriptor: 'function',
  socketPair: 'function',
  readDevice: 'function',
  mount: 'function',
  unmount: 'function',
}
