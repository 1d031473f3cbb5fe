import { describe, expect, test } from 'vitest'
import { errno, FuseError } from '#fuse/errno.ts'
import type { AttributesChange, FuseOperations } from '#fuse/operations.ts'
import { attributes, entry, fields, initBody, name, wire } from './wire.ts'

const base: FuseOperations = { lookup: () => entry(7), getattr: () => ({ attributesSeconds: 1.25, attributes }) }
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const attributeHex = [
  '8967452301000000', // ino
  '00f2052a01000000', // size
  'f902950000000000', // blocks
  'fbffffffffffffff', // atime -5
  '00f1536500000000', // mtime
  '0300000000000000', // ctime
  '01000000',
  '15cd5b07',
  'ffc99a3b',
  'a4810000', // mode
  '01000000',
  'e8030000',
  'e9030000',
  '01050000', // rdev
  '00100000',
  '00000000',
].join('')

describe('replies, byte for byte', () => {
  test('LOOKUP: entry_out, 128 bytes', () => {
    const seen: unknown[] = []
    const kernel = wire({
      ...base,
      lookup: (caller, parent, child) => {
        seen.push(caller.uid, caller.gid, caller.pid, parent, child)
        return entry(7)
      },
    })
    const reply = kernel.reply(kernel.send(1, 5, name('caf\xc3\xa9')))
    expect(seen).toEqual([1000, 1001, 4242, 5, 'caf\xc3\xa9'])
    expect(reply?.error).toBe(0)
    expect(reply?.body.toString('hex')).toBe(
      `0700000000000000${'0'.repeat(16)}80510100000000000100000000000000` + `000000000065cd1d${attributeHex}`,
    )
  })

  test('LOOKUP of a name that may be remembered as missing: node 0 and a timeout', () => {
    const kernel = wire({ ...base, lookup: () => entry(0) })
    const body = kernel.reply(kernel.send(1, 1, name('x')))?.body as Buffer
    expect(body.length).toBe(128)
    expect(body.readUInt32LE(0)).toBe(0)
    expect(body.readUInt32LE(16)).toBe(86_400)
    expect(body.subarray(40).every((b) => b === 0)).toBe(true)
  })

  test('GETATTR: attr_out, 104 bytes', () => {
    const kernel = wire(base)
    expect(kernel.reply(kernel.send(3, 1, Buffer.alloc(16)))?.body.toString('hex')).toBe(`010000000000000080b2e60e00000000${attributeHex}`)
  })

  test('OPEN: open_out, 16 bytes, flags as asked', () => {
    const kernel = wire({ ...base, open: (_c, _n, flags) => ({ handle: 2 ** 33 + flags, keepCache: true, noFlush: true }) })
    expect(kernel.reply(kernel.send(14, 1, fields([0x8000, 4], [0, 4])))?.body.toString('hex')).toBe('00800000020000002200000000000000')
  })

  test('OPEN of a file system that leaves it out: ENOSYS where the kernel understands, else an empty success', () => {
    const kernel = wire(base)
    expect(kernel.reply(kernel.send(14, 1, Buffer.alloc(8)))?.error).toBe(errno.ENOSYS)
    const old = wire(base, { init: false })
    old.send(26, 0, initBody(31, 1 << 5, 0))
    expect(old.reply(old.send(14, 1, Buffer.alloc(8)))).toEqual({ error: 0, body: Buffer.from('00000000000000000200000000000000', 'hex') })
  })

  test('OPENDIR: listing cached', () => {
    const kernel = wire({ ...base, opendir: () => ({ handle: 1, keepCache: true, cacheListing: true }) })
    expect(kernel.reply(kernel.send(27, 1, Buffer.alloc(8)))?.body.readUInt32LE(8)).toBe(0b1010)
  })

  test('STATFS: kstatfs, 80 bytes', () => {
    const s = { blocks: 1, freeBlocks: 2, availableBlocks: 3, files: 4, freeFiles: 5, blockBytes: 4096, nameBytes: 255 }
    const kernel = wire({ ...base, statfs: () => s })
    const body = kernel.reply(kernel.send(17, 1))?.body as Buffer
    expect(body.length).toBe(80)
    expect(body.subarray(0, 52).toString('hex')).toBe(
      `${['01', '02', '03', '04', '05'].map((n) => `${n}00000000000000`).join('')}00100000ff00000000100000`,
    )
  })

  test('READLINK and READ: the bytes themselves', async () => {
    const kernel = wire({
      ...base,
      readlink: () => Buffer.from('target'),
      read: async (_c, node, handle, offset, size) => Buffer.from(`${node} ${handle} ${offset} ${size}`),
    })
    expect(kernel.reply(kernel.send(5, 1))?.body.toString()).toBe('target')
    const unique = kernel.send(15, 3, fields([9, 8], [2 ** 40, 8], [4096, 4], [0, 4], [0, 8], [0, 8]))
    expect(kernel.reply(unique)).toBeUndefined()
    await settle()
    expect(kernel.reply(unique)?.body.toString()).toBe('3 9 1099511627776 4096')
  })

  test('READ never gives more than was asked for', () => {
    const kernel = wire({ ...base, read: () => Buffer.alloc(100) })
    expect(kernel.reply(kernel.send(15, 3, fields([9, 8], [0, 8], [10, 4], [0, 4], [0, 8], [0, 8])))?.body.length).toBe(10)
  })
})

describe('directory pages', () => {
  const listing = (size: number, plus: boolean): Buffer => {
    const fill = (page: Parameters<NonNullable<FuseOperations['readdir']>>[4]): void => {
      if (!page.add('.', 1, 77, 0o040000)) return
      if (!page.addEntry('abcdefgh', 2, entry(8))) return
      page.addEntry(Buffer.from('i'), 3, entry(9))
    }
    const kernel = wire({ ...base, readdir: (_c, _n, _h, _o, p) => fill(p), readdirplus: (_c, _n, _h, _o, p) => fill(p) })
    return kernel.reply(kernel.send(plus ? 44 : 28, 1, fields([1, 8], [0, 8], [size, 4], [0, 4], [0, 8], [0, 8])))?.body as Buffer
  }

  test('READDIR: records of 24 bytes and the name, padded to 8', () => {
    const page = listing(4096, false)
    expect(page.length).toBe(32 + 32 + 32)
    expect(page.subarray(0, 32).toString('hex')).toBe(`4d00000000000000${'0100000000000000'}0100000004000000${'2e00000000000000'}`)
    expect(page.subarray(32, 64).toString('hex')).toBe(`8967452301000000${'0200000000000000'}0800000008000000${'6162636465666768'}`)
  })

  test('READDIRPLUS: an entry before each record, an empty one for the dot', () => {
    const page = listing(4096, true)
    expect(page.length).toBe(3 * (128 + 32))
    expect(page.subarray(0, 128).every((b) => b === 0)).toBe(true)
    expect(page.readUInt32LE(160)).toBe(8)
    expect(page.subarray(160 + 40, 160 + 128).toString('hex')).toBe(attributeHex)
  })

  test('hold whole records only', () => {
    expect(listing(159, true).length).toBe(0)
    expect(listing(160, true).length).toBe(160)
    expect(listing(95, false).length).toBe(64)
  })

  test('that the kernel did not want give their lookups back', () => {
    const forgotten: number[] = []
    const kernel = wire({
      ...base,
      forget: (node) => forgotten.push(node),
      readdirplus: (_c, _n, _h, _o, page) => {
        page.addEntry('a', 1, entry(8))
        page.addEntry('b', 2, entry(9))
      },
    })
    kernel.refuse = true
    kernel.send(44, 1, fields([1, 8], [0, 8], [4096, 4], [0, 4], [0, 8], [0, 8]))
    kernel.send(1, 1, name('x'))
    expect(forgotten).toEqual([8, 9, 7])
  })
})

describe('errors', () => {
  const failing = (error: unknown): FuseOperations => ({
    ...base,
    lookup: () => {
      throw error
    },
    open: () => Promise.reject(error),
  })

  test.each([
    ['a FuseError', new FuseError(errno.ENOENT), 2],
    ['a system error', Object.assign(new Error('gone'), { code: 'ENOTDIR' }), 20],
    ['anything else', new TypeError('oops'), 5],
    ['no error at all', undefined, 5],
  ])('%s, thrown at once or later, is answered once', async (_name, error, number) => {
    const kernel = wire(failing(error))
    expect(kernel.reply(kernel.send(1, 1, name('x')))).toEqual({ error: number, body: Buffer.alloc(0) })
    const unique = kernel.send(14, 1, Buffer.alloc(8))
    await settle()
    expect(kernel.reply(unique)).toEqual({ error: number, body: Buffer.alloc(0) })
    expect(kernel.session.waitingCount).toBe(0)
  })

  test('nobody expected are reported', () => {
    const error = new TypeError('oops')
    const kernel = wire(failing(error))
    kernel.send(1, 1, name('x'))
    expect(kernel.reported).toEqual([error])
  })

  test('an operation that is left out: ENOSYS, EROFS for one that would write to a read-only mount', () => {
    const kernel = wire(base)
    expect(kernel.reply(kernel.send(34, 1, Buffer.alloc(8)))?.error).toBe(errno.ENOSYS)
    expect(kernel.reply(kernel.send(10, 1, name('x')))?.error).toBe(errno.EROFS)
    const writable = wire(base, { readOnly: false })
    expect(writable.reply(writable.send(10, 1, name('x')))?.error).toBe(errno.ENOSYS)
  })

  test('an opcode nobody knows: ENOSYS', () => {
    const kernel = wire(base)
    expect(kernel.reply(kernel.send(4095, 1))?.error).toBe(errno.ENOSYS)
  })

  test('a request that is too short: EINVAL', () => {
    const kernel = wire({ ...base, read: () => Buffer.alloc(1) })
    expect(kernel.reply(kernel.send(15, 1, Buffer.alloc(8)))?.error).toBe(errno.EINVAL)
    expect(kernel.reply(kernel.send(1, 1, Buffer.from('no end')))?.error).toBe(errno.EINVAL)
  })
})

describe('interrupts', () => {
  test('answer a waiting read at once and stop its work; the late result is dropped', async () => {
    let finish: (bytes: Buffer) => void = () => undefined
    let signal: AbortSignal | undefined
    const kernel = wire({
      ...base,
      read: (caller) => {
        signal = caller.signal
        return new Promise<Buffer>((resolve) => {
          finish = resolve
        })
      },
    })
    const unique = kernel.send(15, 1, fields([9, 8], [0, 8], [10, 4], [0, 4], [0, 8], [0, 8]))
    kernel.send(36, 0, fields([unique, 8]))
    expect(kernel.reply(unique)?.error).toBe(errno.EINTR)
    expect(signal?.aborted).toBe(true)
    finish(Buffer.from('late'))
    await settle()
    expect(kernel.reply(unique)?.error).toBe(errno.EINTR)
  })

  test('for a request that is answered already are ignored', () => {
    const kernel = wire(base)
    const unique = kernel.send(1, 1, name('x'))
    kernel.send(36, 0, fields([unique, 8]))
    expect(kernel.replies.length).toBe(1)
  })
})

describe('writing operations', () => {
  test('reach the file system with what the kernel sent', () => {
    const seen: unknown[] = []
    const kernel = wire(
      {
        ...base,
        setattr: (_c, _n, change: AttributesChange) => {
          seen.push(change)
          return { attributesSeconds: 1, attributes }
        },
        write: (_c, node, handle, offset, data) => {
          seen.push([node, handle, offset, Buffer.from(data).toString()])
          return data.length
        },
        rename: (_c, ...rest) => void seen.push(rest),
        symlink: (_c, parent, child, target) => {
          seen.push([parent, child, Buffer.from(target).toString()])
          return entry(9)
        },
        setxattr: (_c, _n, key, value, flags) => void seen.push([key, Buffer.from(value).toString(), flags]),
        create: () => [entry(10), { handle: 4 }] as const,
      },
      { readOnly: false },
    )
    const times = Buffer.alloc(88)
    times.writeUInt32LE(0x1 | 0x20, 0)
    times.writeBigInt64LE(-86_400n, 40)
    times.writeUInt32LE(5, 60)
    times.writeUInt32LE(0o100600, 68)
    kernel.send(4, 1, times)
    const written = kernel.send(16, 3, fields([9, 8], [100, 8], [5, 4], [0, 4], [0, 8], [0, 4], [0, 4], Buffer.from('hello')))
    kernel.send(45, 1, fields([2, 8], [1, 4], [0, 4], name('old'), name('new')))
    kernel.send(6, 1, Buffer.concat([name('link'), name('to/there')]))
    kernel.send(21, 1, fields([3, 4], [1, 4], [0, 4], [0, 4], name('user.k'), Buffer.from('val')))
    const created = kernel.send(35, 1, fields([2, 4], [0o644, 4], [0, 4], [0, 4], name('f')))
    expect(seen).toEqual([
      { mode: 0o100600, modified: { seconds: -86_400, ns: 5 } },
      [3, 9, 100, 'hello'],
      [1, 'old', 2, 'new', 1],
      [1, 'link', 'to/there'],
      ['user.k', 'val', 1],
    ])
    expect(kernel.reply(written)?.body.toString('hex')).toBe('0500000000000000')
    expect(kernel.reply(created)?.body.length).toBe(144)
  })
})

describe('requests of a writable mount, byte for byte', () => {
  test('TMPFILE: as CREATE, without a name; entry_out and open_out', () => {
    const seen: unknown[] = []
    const kernel = wire(
      {
        ...base,
        tmpfile: (caller, parent, flags, mode) => {
          seen.push(caller.uid, parent, flags, mode)
          return [entry(9), { handle: 3, keepCache: true, noFlush: true }]
        },
      },
      { readOnly: false },
    )
    const reply = kernel.reply(kernel.send(51, 5, fields([0x410002, 4], [0o100640, 4], [0o22, 4], [0, 4], name('/'))))
    expect(seen).toEqual([1000, 5, 0x410002, 0o100640])
    expect(reply?.body.length).toBe(144)
    expect(reply?.body.subarray(0, 8).toString('hex')).toBe('0900000000000000')
    expect(reply?.body.subarray(128).toString('hex')).toBe('03000000000000002200000000000000')
  })

  test.each([
    [47, 'COPY_FILE_RANGE'],
    [53, 'COPY_FILE_RANGE_64'],
  ])('%i %s: both places and a length; the count as 8 bytes', (code) => {
    const seen: unknown[] = []
    const kernel = wire(
      {
        ...base,
        copyFileRange: (_caller, from, to, length) => {
          seen.push(from, to, length)
          return 0x7654_3210
        },
      },
      { readOnly: false },
    )
    const body = fields([1, 8], [2 ** 33, 8], [2 ** 52, 8], [4, 8], [5, 8], [2 ** 40, 8], [0, 8])
    expect(kernel.reply(kernel.send(code, 6, body))?.body.toString('hex')).toBe('1032547600000000')
    expect(seen).toEqual([{ node: 6, handle: 1, offset: 2 ** 33 }, { node: 2 ** 52, handle: 4, offset: 5 }, 0x7fff_f000])
  })

  test('OPEN and WRITE say whether set-id bits are to go', () => {
    const seen: unknown[] = []
    const kernel = wire(
      {
        ...base,
        open: (_caller, _node, flags, dropSetIds) => {
          seen.push(flags, dropSetIds)
          return { handle: 1 }
        },
        write: (_caller, _node, _handle, offset, data, fromPageCache, dropSetIds) => {
          seen.push(offset, Buffer.from(data).toString(), fromPageCache, dropSetIds)
          return data.length
        },
      },
      { readOnly: false },
    )
    kernel.send(14, 6, fields([0o1001, 4], [1, 4]))
    kernel.send(14, 6, fields([1, 4], [0, 4]))
    const write = fields([1, 8], [7, 8], [3, 4], [4, 4], [0, 8], [0, 8], Buffer.from('abc'))
    expect(kernel.reply(kernel.send(16, 6, write))?.body.toString('hex')).toBe('0300000000000000')
    expect(seen).toEqual([0o1001, true, 1, false, 7, 'abc', false, true])
  })
})
