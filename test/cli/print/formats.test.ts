import { describe, expect, test } from 'vitest'
import { goDuration, wholeSeconds } from '#cli/print/duration.ts'
import { Histogram } from '#cli/print/histogram.ts'
import { JsonList } from '#cli/print/json.ts'
import { modeText } from '#cli/print/mode.ts'
import { SizePrinter, savedPercent } from '#cli/print/sizes.ts'
import { alignRows } from '#cli/print/table.ts'
import { nsOfMs, TimePrinter } from '#cli/print/times.ts'
import { zoneOf } from '#cli/print/zone.ts'
import { CapturedIo } from '../captured-io.ts'

describe('sizes', () => {
  test.each([
    [0, '0 B'],
    [899, '899 B'],
    [900, '0.9 KB'],
    [1000, '1 KB'],
    [1250, '1.2 KB'],
    [1750, '1.8 KB'],
    [1349, '1.3 KB'],
    [899_999, '900 KB'],
    [900_000, '0.9 MB'],
    [20_971_520, '21 MB'],
    [34_603_008, '34.6 MB'],
    [46_137_344, '46.1 MB'],
    [1_099_511_627_776, '1.1 TB'],
  ])('%d is %s', (bytes, text) => {
    expect(new SizePrinter(false).bytes(bytes)).toBe(text)
  })

  test('in powers of 1024', () => {
    const sizes = new SizePrinter(true)
    expect([921, 922, 1024, 20_971_520].map((n) => sizes.bytes(n))).toEqual(['921 B', '0.9 KiB', '1 KiB', '20 MiB'])
  })

  test('speed and counts', () => {
    const sizes = new SizePrinter(true)
    expect(sizes.speed(1_500_000)).toBe('1.5 MB/s')
    expect(sizes.count(12_000)).toBe('12 K')
    expect(sizes.count(62)).toBe('62 ')
  })

  test('share of bytes saved', () => {
    expect(savedPercent(733, 355)).toBe('51.6%')
    expect(savedPercent(154, 182)).toBe('0%')
    expect(savedPercent(0, 0)).toBe('0%')
  })
})

describe('durations', () => {
  test.each<[bigint, string]>([
    [0n, '0s'],
    [1n, '1ns'],
    [1_500n, '1.5µs'],
    [300_000_000n, '300ms'],
    [1_500_000_000n, '1.5s'],
    [60_000_000_000n, '1m0s'],
    [5_400_000_000_000n, '1h30m0s'],
    [86_400_000_000_000n, '24h0m0s'],
    [-2_000_000_000n, '-2s'],
  ])('%d ns is %s', (ns, text) => {
    expect(goDuration(ns)).toBe(text)
  })
  test('whole seconds are cut or rounded', () => {
    expect([wholeSeconds(1_900_000_000n), wholeSeconds(1_900_000_000n, 'round')]).toEqual(['1s', '2s'])
  })
})

describe('times', () => {
  const ns = 1_709_294_400_123_456_789n
  test.each([
    ['utc', {}, '2024-03-01 12:00:00 UTC'],
    ['local', { TZ: 'UTC' }, '2024-03-01 12:00:00 UTC'],
    ['local', { TZ: 'Europe/Berlin' }, '2024-03-01 13:00:00 CET'],
    ['America/New_York', {}, '2024-03-01 07:00:00 EST'],
    ['Asia/Kolkata', {}, '2024-03-01 17:30:00 IST'],
    ['America/Sao_Paulo', {}, '2024-03-01 09:00:00 -03'],
    ['No/Such_Zone', {}, '2024-03-01 12:00:00 UTC'],
  ])('in %s %j', (name, env, text) => {
    expect(new TimePrinter(zoneOf(name, env)).seconds(ns)).toBe(text)
  })
  test('summer time has its own abbreviation', () => {
    expect(new TimePrinter(zoneOf('Europe/Berlin', {})).seconds(1_720_000_000_000_000_000n)).toBe('2024-07-03 11:46:40 CEST')
  })
  test('with milliseconds, and as Go prints them', () => {
    const times = new TimePrinter(zoneOf('utc', {}))
    expect(times.milliseconds(ns)).toBe('2024-03-01 12:00:00.123 UTC')
    expect(times.go(ns)).toBe('2024-03-01 12:00:00.123456789 +0000 UTC')
    expect(times.go(1_700_000_000_000_000_000n)).toBe('2023-11-14 22:13:20 +0000 UTC')
  })
  test('before the epoch', () => {
    expect(new TimePrinter(zoneOf('utc', {})).seconds(-1n)).toBe('1969-12-31 23:59:59 UTC')
  })
  test('storage times are not rounded to the next millisecond', () => {
    const times = new TimePrinter(zoneOf('utc', {}))
    expect(times.milliseconds(nsOfMs(1_795_599_463_164.9998))).toBe('2026-11-25 09:37:43.164 UTC')
  })
  test('storage times keep microseconds', () => {
    expect(nsOfMs(1_795_588_515_438.471)).toBe(1_795_588_515_438_471_000n)
  })
})

describe('modes', () => {
  test.each<[string, number, string]>([
    ['d', 0o755, 'drwxr-xr-x'],
    ['s', 0o777, 'Lrwxrwxrwx'],
    ['f', 0o644, '-rw-r--r--'],
    ['f', 0o6755, 'ugrwxr-xr-x'],
    ['f', 0o7777, 'ugtrwxrwxrwx'],
    ['d', 0o1777, 'dtrwxrwxrwx'],
    ['f', 0, '----------'],
  ])('%s %o is %s', (type, mode, text) => {
    expect(modeText(type, mode)).toBe(text)
  })
})

describe('lists as JSON', () => {
  const list = (indent: boolean, items: { a: number }[]) => {
    const io = new CapturedIo()
    const json = new JsonList(io, indent)
    for (const item of items) json.add(item)
    json.end()
    return io.output
  }
  test('one item a line, no newline at the end', () => {
    expect(list(false, [{ a: 1 }, { a: 2 }])).toBe('[\n {"a":1},\n {"a":2}\n]')
    expect(list(false, [])).toBe('[\n]')
  })
})

describe('tables', () => {
  test('values end in one column, origins follow', () => {
    const rows = [{ label: 'a:' }, { label: '  b:', value: '24', origin: 'here' }, { label: '  longer:', value: '1', origin: 'there' }]
    expect(alignRows(rows)).toEqual(['a:', '  b:       24   here', '  longer:   1   there'])
  })
  test('a histogram has no row for what is too large', () => {
    const histogram = new Histogram()
    for (const n of [0, 9, 10, 99_999_999, 100_000_000]) histogram.add(n)
    const rows = histogram.rows(String)
    expect(rows).toHaveLength(8)
    expect(rows[0]).toBe('        2 between 0 and 10 (total 9)')
    expect(rows[7]).toBe('        1 between 10000000 and 100000000 (total 99999999)')
  })
})
