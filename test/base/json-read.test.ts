import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase64, decodeBase64Url } from '#base/base64.ts'
import { asObject, booleanOf, integerOf, JsonShapeError, memberOf, numberOf, parseFirstJson, stringOf } from '#base/json-read.ts'
import { configDirectory, configFilePath, expandHome, userCacheDirectory } from '#base/paths.ts'

describe('parseFirstJson', () => {
  test.each([
    ['{"a":[1,{"b":"}"}]} tail', { a: [1, { b: '}' }] }],
    ['  [1,2]\n{"x"', [1, 2]],
    ['"a\\"b" "c"', 'a"b'],
    ['12 13', 12],
    ['null{', null],
    ['{}{}', {}],
    ['[]]', []],
    ['{"n":9007199254740993}x', { n: 9007199254740993n }],
  ])('takes the first value of %j', (text, value) => {
    expect(parseFirstJson(text)).toEqual(value)
  })

  test.each(['', '  ', '{"a":1', '[', '"abc', '}', 'nulll'])('refuses %j', (text) => {
    expect(() => parseFirstJson(text)).toThrow(SyntaxError)
  })

  test('reads any JSON with anything behind it', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('', ' ', '\n', '\n{', ' "', ' ]', '\n{"a":1}'), (text, tail) => {
        fc.pre(!/\d{16}/.test(text))
        expect(parseFirstJson(text + tail)).toEqual(JSON.parse(text))
      }),
    )
  })
})

describe('members of JSON objects', () => {
  test('match exactly first, else in any case', () => {
    expect(memberOf({ HASH: 1, hash: 2 }, 'hash')).toBe(2)
    expect(memberOf({ HASH: 1 }, 'hash')).toBe(1)
    expect(memberOf({}, 'constructor')).toBeUndefined()
  })

  test('are zero when missing or null, and checked otherwise', () => {
    const object = { s: 'x', b: true, n: 1.5, i: 7, big: 9007199254740993n, nothing: null }
    expect([stringOf(object, 's', 'it'), booleanOf(object, 'b', 'it'), numberOf(object, 'n', 'it')]).toEqual(['x', true, 1.5])
    expect([stringOf(object, 'q', 'it'), booleanOf(object, 'nothing', 'it'), numberOf(object, 'q', 'it')]).toEqual(['', false, 0])
    expect([integerOf(object, 'i', 'it'), integerOf(object, 'big', 'it'), integerOf(object, 'q', 'it')]).toEqual([
      7n,
      9007199254740993n,
      0n,
    ])
    expect(() => stringOf(object, 'n', 'it')).toThrow(JsonShapeError)
    expect(() => numberOf(object, 'big', 'it')).toThrow('it: "big" must be a number')
    expect(() => integerOf(object, 'n', 'it')).toThrow(JsonShapeError)
    expect(() => integerOf({ x: 2n ** 63n }, 'x', 'it')).toThrow(JsonShapeError)
  })

  test('exist only in objects', () => {
    expect(asObject(null, 'it')).toEqual({})
    for (const value of [[], 'x', 3, true]) expect(() => asObject(value, 'it')).toThrow('it must be a JSON object')
  })
})

describe('base64', () => {
  test('is strict, but for line breaks', () => {
    expect(decodeBase64('c2Ft\r\ncGxl\n').toString()).toBe('sample')
    expect(decodeBase64('').length).toBe(0)
    for (const bad of ['c2F', 'c2Fx=', 'c2F-', 'c2 Ft', '====', 'c===']) expect(() => decodeBase64(bad)).toThrow()
    expect(decodeBase64Url('-_-_').toString('hex')).toBe('fbffbf')
    for (const bad of ['YQ==', '+/+/', 'Y']) expect(() => decodeBase64Url(bad)).toThrow()
  })

  test('gives back what was encoded', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeBase64(Buffer.from(bytes).toString('base64'))).toEqual(Buffer.from(bytes))
        expect(decodeBase64Url(Buffer.from(bytes).toString('base64url'))).toEqual(Buffer.from(bytes))
      }),
    )
  })
})

describe('places of files', () => {
  const linux = { platform: 'linux', env: {}, home: '/home/u' } as const

  test('are those of the system', () => {
    expect(configDirectory(linux)).toBe('/home/u/.config/kopia')
    expect(configDirectory({ ...linux, env: { XDG_CONFIG_HOME: '/cfg' } })).toBe('/cfg/kopia')
    expect(configDirectory({ ...linux, platform: 'openbsd', env: { XDG_CONFIG_HOME: '/cfg' } })).toBe('/home/u/.config/kopia')
    expect(configDirectory({ ...linux, platform: 'darwin' })).toBe('/home/u/Library/Application Support/kopia')
    expect(userCacheDirectory(linux)).toBe('/home/u/.cache')
    expect(userCacheDirectory({ ...linux, env: { XDG_CACHE_HOME: '/c' } })).toBe('/c')
    expect(userCacheDirectory({ ...linux, platform: 'darwin' })).toBe('/home/u/Library/Caches')
  })

  test('a bare name of a configuration lies in the configuration folder, any other is used as it is', () => {
    expect(configFilePath('repository.config', linux)).toBe('/home/u/.config/kopia/repository.config')
    expect(configFilePath('./r.config', linux)).toBe('./r.config')
    expect(configFilePath('/etc/r.config', linux)).toBe('/etc/r.config')
  })

  test('a leading ~ is the home folder', () => {
    expect([expandHome('~', '/h'), expandHome('~/x', '/h'), expandHome('~x', '/h'), expandHome('/a/~', '/h')]).toEqual([
      '/h',
      '/h/x',
      '~x',
      '/a/~',
    ])
  })
})
