import { describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import type { ValueType } from '#cli/flag.ts'
import { parseValue } from '#cli/values.ts'

const second = 1_000_000_000n

describe('values', () => {
  test.each<[ValueType, string, unknown]>([
    ['bool', 't', true],
    ['bool', 'FALSE', false],
    ['int', '1.9', 1],
    ['int64', '0x10', 16],
    ['int64', '010', 8],
    ['int64', '0o17', 15],
    ['int64', '0b101', 5],
    ['int64', '1_000', 1000],
    ['int32', '-2147483648', -2147483648],
    ['float', '.5', 0.5],
    ['float', '1e-3', 0.001],
    ['duration', '0', 0n],
    ['duration', '1.5h', 5400n * second],
    ['duration', '2d', 172_800n * second],
    ['duration', '1w', 604_800n * second],
    ['duration', '-3ms', -3_000_000n],
    ['duration', '1h2m3s4ms5us6ns', 3_723_004_005_006n],
    ['bytes', '1KB', 1024],
    ['bytes', '1.5MiB', 1_572_864],
    ['bytes', '7B', 7],
  ])('%s %s', (type, text, expected) => {
    expect(parseValue({ name: 'x', type }, text)).toBe(expected)
  })

  test.each<[ValueType, string]>([
    ['bool', 'yes'],
    ['int', ''],
    ['int', '5 '],
    ['int32', '2147483648'],
    ['uint', '-1'],
    ['int64', '9223372036854775808'],
    ['int64', '08'],
    ['float', 'x'],
    ['duration', '5'],
    ['duration', ''],
    ['duration', 's'],
    ['duration', '1h '],
    ['bytes', '1kB'],
    ['bytes', '100'],
    ['existingFile', '/no/such/file'],
    ['existingDir', '/etc/passwd'],
  ])('%s refuses %j', (type, text) => {
    expect(() => parseValue({ name: 'x', type }, text)).toThrow(UsageError)
  })
})
