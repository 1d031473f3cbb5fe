import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatTimeNs, goZeroTimeNs, parseTimeNs, TimeFormatError } from '#base/time.ts'

const minNs = -(2n ** 63n)
const maxNs = 2n ** 63n - 1n

describe('formatTimeNs', () => {
  test.each([
    [0n, '1970-01-01T00:00:00Z'],
    [1577934245000000000n, '2020-01-02T03:04:05Z'],
    [1577934245000000001n, '2020-01-02T03:04:05.000000001Z'],
    [1577934245120000000n, '2020-01-02T03:04:05.12Z'],
    [1577934245000100000n, '2020-01-02T03:04:05.0001Z'],
    [-1n, '1969-12-31T23:59:59.999999999Z'],
    [-1000000n, '1969-12-31T23:59:59.999Z'],
    [-1000000000n, '1969-12-31T23:59:59Z'],
    [goZeroTimeNs, '1754-08-30T22:43:41.128654848Z'],
    [minNs, '1677-09-21T00:12:43.145224192Z'],
    [maxNs, '2262-04-11T23:47:16.854775807Z'],
  ])('writes %d as %s', (ns, text) => {
    expect(formatTimeNs(ns)).toBe(text)
    expect(parseTimeNs(text)).toBe(ns)
  })

  test('is undone by parseTimeNs over all of int64', () => {
    fc.assert(fc.property(fc.bigInt({ min: minNs, max: maxNs }), (ns) => parseTimeNs(formatTimeNs(ns)) === ns))
  })

  test('keeps four digits for early years', () => {
    const yearOne = parseTimeNs('0001-01-01T00:00:00Z')
    expect(yearOne).toBe(-62135596800000000000n)
    expect(formatTimeNs(yearOne)).toBe('0001-01-01T00:00:00Z')
    expect(BigInt.asIntN(64, yearOne)).toBe(goZeroTimeNs)
  })
})

describe('parseTimeNs', () => {
  test.each([
    ['2020-01-02T05:04:05+02:00', 1577934245000000000n],
    ['2020-01-01T21:34:05.5-05:30', 1577934245500000000n],
    ['2020-01-02T03:04:05.1234567899Z', 1577934245123456789n],
    ['2020-02-29T00:00:00Z', 1582934400000000000n],
    ['2020-01-02t03:04:05z', 1577934245000000000n],
    ['2020-01-01T00:30:00+01:00', 1577835000000000000n],
  ])('reads %s', (text, ns) => {
    expect(parseTimeNs(text)).toBe(ns)
  })

  test.each([
    '',
    '2020-01-02',
    '2020-01-02 03:04:05Z',
    '2020-01-02T03:04:05',
    '2020-13-02T03:04:05Z',
    '2020-00-02T03:04:05Z',
    '2020-02-30T03:04:05Z',
    '2019-02-29T03:04:05Z',
    '2020-01-00T03:04:05Z',
    '2020-01-32T03:04:05Z',
    '2020-01-02T24:00:00Z',
    '2020-01-02T03:60:05Z',
    '2020-01-02T03:04:60Z',
    '2020-01-02T03:04:05+24:00',
    '2020-01-02T03:04:05+01:60',
    '2020-01-02T03:04:05.Z',
    '12020-01-02T03:04:05Z',
    '2020-01-02T03:04:05Zx',
  ])('refuses %j', (text) => {
    expect(() => parseTimeNs(text)).toThrow(TimeFormatError)
  })
})
