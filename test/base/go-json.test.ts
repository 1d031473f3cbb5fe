import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { goJson, goJsonIndented, goString, type JsonValue, parseLosslessJson, sortedMap } from '#base/go-json.ts'

describe('goString', () => {
  test.each([
    ['plain', '"plain"'],
    ['"\\', '"\\"\\\\"'],
    ['\b\t\n\f\r', '"\\b\\t\\n\\f\\r"'],
    ['\u0000\u0001\u001f\u007f', '"\\u0000\\u0001\\u001f\u007f"'],
    ['<a & b>', '"\\u003ca \\u0026 b\\u003e"'],
    ['\u2028\u2029\u2027', '"\\u2028\\u2029\u2027"'],
    ['a/b', '"a/b"'],
    ['päth ☃ 😀', '"päth ☃ 😀"'],
    ['\ufffd', '"\ufffd"'],
    ['\ud800', '"\\ufffd"'],
    ['a\udc80\udc81b', '"a\\ufffd\\ufffdb"'],
    ['\ud83d\ude00\ud83d', '"\ud83d\ude00\\ufffd"'],
    ['', '""'],
  ])('escapes %j', (text, expected) => {
    expect(goString(text)).toBe(expected)
  })

  test('gives the same answer every time it is called', () => {
    for (let i = 0; i < 3; i++)
      expect([goString('<'), goString('x<'), goString('<<')]).toEqual(['"\\u003c"', '"x\\u003c"', '"\\u003c\\u003c"'])
  })

  test('is read back by any JSON reader', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => JSON.parse(goString(text)) === text.toWellFormed()))
  })
})

describe('goJson', () => {
  test('writes integers in full and keys in the given order without those undefined', () => {
    const value: JsonValue = { b: 9007199254740993n, a: [-1, 1.5, null, true, ''], skip: undefined, z: {}, '<': [] }
    expect(goJson(value)).toBe('{"b":9007199254740993,"a":[-1,1.5,null,true,""],"z":{},"\\u003c":[]}')
  })

  test('writes integral numbers as integers up to 2^53', () => {
    expect(goJson([0, -0, 2 ** 53 - 1, 1e15])).toBe('[0,0,9007199254740991,1000000000000000]')
  })

  test('indents like Go', () => {
    expect(goJsonIndented({ a: 1, b: [], c: {}, d: [1, { e: '' }], f: undefined })).toBe(
      '{\n  "a": 1,\n  "b": [],\n  "c": {},\n  "d": [\n    1,\n    {\n      "e": ""\n    }\n  ]\n}',
    )
    expect(goJsonIndented({ f: undefined })).toBe('{}')
    expect(goJsonIndented([])).toBe('[]')
    expect(goJsonIndented('x')).toBe('"x"')
  })

  test('the indented form says the same as the compact one', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(goJsonIndented(value as JsonValue))).toEqual(JSON.parse(goJson(value as JsonValue)))
      }),
    )
  })
})

test('sortedMap sorts by UTF-8 bytes, not UTF-16 units', () => {
  expect([...sortedMap({ '\u{1f600}': 1, '\uff5e': 2, b: 3, a: 4, B: 5 }).keys()]).toEqual(['B', 'a', 'b', '\uff5e', '\u{1f600}'])
  expect(goJson(sortedMap({ b: 1, '10': 2, '9': 3 }))).toBe('{"10":2,"9":3,"b":1}')
})

describe('parseLosslessJson', () => {
  test('keeps every digit of large integers and leaves all else alone', () => {
    const text =
      '{"a":9007199254740993,"b":-9223372036854775808,"c":[1234567890123456],"d":"12345678901234567890","e":1.5,"f":9007199254740991}'
    expect(parseLosslessJson(text)).toEqual({
      a: 9007199254740993n,
      b: -9223372036854775808n,
      c: [1234567890123456],
      d: '12345678901234567890',
      e: 1.5,
      f: 9007199254740991,
    })
  })

  test.each([
    ['12345678901234567890', 12345678901234567890n],
    [' 12345678901234567890\n', 12345678901234567890n],
    ['[12345678901234567890.5]', [Number('12345678901234567890.5')]],
    ['[1234567890123456789012e-5]', [Number('1234567890123456789012e-5')]],
    ['[0.12345678901234567890]', [Number('0.12345678901234567890')]],
    ['[1e1234567890123456]', [Number.POSITIVE_INFINITY]],
    ['[9007199254740993, 1.12345678901234567890]', [9007199254740993n, Number('1.12345678901234567890')]],
    ['{"k\\"12345678901234567":12345678901234567}', { 'k"12345678901234567': 12345678901234567n }],
    ['["\\u0000123", 9007199254740993]', ['\u0000123', 9007199254740993n]],
    ['["\\u0000abc", 9007199254740993]', ['\u0000abc', 9007199254740993n]],
  ])('reads %s', (text, value) => {
    expect(parseLosslessJson(text)).toEqual(value)
  })

  test.each(['', '{', '[1,]', '{"a":}', '[-]', '[00000000000000001]', '[12345678901234567 1]', "['a']"])('refuses %j', (text) => {
    expect(() => parseLosslessJson(text)).toThrow(SyntaxError)
  })

  test('undoes goJson for integers of int64', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.string(), (n, key) => {
        const back = parseLosslessJson(goJson({ [`k${key}`]: n, list: [n] })) as Record<string, number | bigint>
        expect(BigInt(back[`k${key}`] as bigint)).toBe(n)
      }),
    )
  })

  test('agrees with JSON.parse on everything without large integers', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        fc.pre(!/\d{16}/.test(text))
        expect(parseLosslessJson(text)).toEqual(JSON.parse(text))
      }),
    )
  })
})
