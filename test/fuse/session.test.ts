import { describe, expect, test } from 'vitest'
import type { FuseOperations } from '#fuse/operations.ts'
import { invalidateEntryBytes, invalidateNodeBytes } from '#fuse/session.ts'
import { attributes, entry, initBody, request, wire } from './wire.ts'

const operations: FuseOperations = { lookup: () => entry(7), getattr: () => ({ attributesSeconds: 1, attributes }) }

describe('the first request', () => {
  test('is answered with our version, limits and the wanted ones of the offered flags', () => {
    const kernel = wire(operations, { init: false })
    const reply = kernel.reply(kernel.send(26, 0, initBody()))
    expect(reply?.error).toBe(0)
    const body = reply?.body as Buffer
    expect(body.length).toBe(64)
    expect([body.readUInt32LE(0), body.readUInt32LE(4)]).toEqual([7, 45])
    expect(body.readUInt32LE(20)).toBe(1 << 20)
    expect(body.readUInt16LE(28)).toBe(256)
    expect(body.readUInt32LE(24)).toBe(1)
    const flags = body.readUInt32LE(12)
    for (const bit of [0, 3, 5, 13, 15, 18, 21, 22, 23, 25, 28, 29, 30]) expect(flags & (1 << bit), `bit ${bit}`).not.toBe(0)
    for (const bit of [1, 10, 12, 14, 16, 20]) expect(flags & (1 << bit), `bit ${bit}`).toBe(0)
    expect(body.readUInt32LE(32)).toBe((1 << 4) | (1 << 6))
  })

  test('takes no flag that the kernel does not offer', () => {
    const kernel = wire(operations, { init: false })
    const body = kernel.reply(kernel.send(26, 0, initBody(31, 1 << 5, 0)))?.body as Buffer
    expect(body.readUInt32LE(12)).toBe(1 << 5)
    expect(body.readUInt16LE(28)).toBe(0)
    expect(kernel.session.minor).toBe(31)
  })

  test('gets the short reply of old kernels', () => {
    const kernel = wire(operations, { init: false })
    expect(kernel.reply(kernel.send(26, 0, initBody(22)))?.body.length).toBe(24)
  })

  test('with a higher major version is answered with ours, and comes again', () => {
    const kernel = wire(operations, { init: false })
    expect(kernel.reply(kernel.send(26, 0, initBody(0, 0, 0, 8)))?.body.readUInt32LE(0)).toBe(7)
    expect(kernel.session.minor).toBe(0)
    expect(kernel.reply(kernel.send(26, 0, initBody()))?.error).toBe(0)
    expect(kernel.session.minor).toBe(45)
  })

  test('with a lower major version is refused', () => {
    const kernel = wire(operations, { init: false })
    expect(kernel.reply(kernel.send(26, 0, initBody(0, 0, 0, 6)))?.error).toBe(71)
  })

  test('must come first', () => {
    const kernel = wire(operations, { init: false })
    expect(kernel.reply(kernel.send(3, 1, Buffer.alloc(16)))?.error).toBe(71)
  })
})

describe('requests', () => {
  test('come several to a batch, each padded to 8 bytes', () => {
    const kernel = wire(operations)
    const one = request(1, 1000, 1, Buffer.from('abc\0'))
    const two = request(1, 1002, 1, Buffer.from('abcde\0'))
    kernel.session.receive(Buffer.concat([one, two]))
    expect(kernel.reply(1000)?.error).toBe(0)
    expect(kernel.reply(1002)?.error).toBe(0)
  })

  test('that are cut off are dropped without a reply', () => {
    const kernel = wire(operations)
    kernel.session.receive(request(1, 1000, 1, Buffer.from('abc\0')).subarray(0, 41))
    expect(kernel.replies).toEqual([])
  })

  test('for a node ID that cannot exist are answered ESTALE', () => {
    const kernel = wire(operations)
    const bytes = request(3, 1000, 1, Buffer.alloc(16))
    bytes.writeBigUInt64LE(2n ** 60n, 16)
    kernel.session.receive(bytes)
    expect(kernel.reply(1000)?.error).toBe(116)
  })
})

describe('forgetting', () => {
  test('one or many nodes is passed on and never answered', () => {
    const forgotten: [number, number][] = []
    const kernel = wire({ ...operations, forget: (node, count) => forgotten.push([node, count]) })
    const one = Buffer.alloc(8)
    one.writeUInt32LE(3)
    kernel.send(2, 9, one)
    const many = Buffer.alloc(8 + 32)
    many.writeUInt32LE(2, 0)
    many.writeUInt32LE(11, 8)
    many.writeUInt32LE(1, 16)
    many.writeUInt32LE(12, 24)
    many.writeUInt32LE(2, 32)
    kernel.send(42, 0, many)
    expect(forgotten).toEqual([
      [9, 3],
      [11, 1],
      [12, 2],
    ])
    expect(kernel.replies).toEqual([])
  })

  test('does not read behind a count that lies', () => {
    const forgotten: number[] = []
    const kernel = wire({ ...operations, forget: (node) => forgotten.push(node) })
    const many = Buffer.alloc(8 + 16)
    many.writeUInt32LE(1_000_000, 0)
    many.writeUInt32LE(11, 8)
    kernel.send(42, 0, many)
    expect(forgotten).toEqual([11])
  })
})

describe('notifications', () => {
  test('of an entry carry parent, length and name with its NUL', () => {
    const bytes = invalidateEntryBytes(5, 'ab')
    expect(bytes.toString('hex')).toBe(
      ['23000000', '03000000', '0000000000000000', '0500000000000000', '02000000', '00000000', '616200'].join(''),
    )
  })

  test('of a node ask to drop everything', () => {
    expect(invalidateNodeBytes(5).toString('hex')).toBe(
      ['28000000', '02000000', '0000000000000000', '0500000000000000', '0000000000000000', '0000000000000000'].join(''),
    )
  })
})
