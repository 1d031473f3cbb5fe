import { describe, expect, test } from 'vitest'
import { Painter } from '#cli/print/colors.ts'
import { policyRows } from '#cli/print/policy-rows.ts'
import { SizePrinter } from '#cli/print/sizes.ts'
import { type RowOptions, snapshotRows } from '#cli/print/snapshot-rows.ts'
import { alignRows } from '#cli/print/table.ts'
import { TimePrinter } from '#cli/print/times.ts'
import { utc } from '#cli/print/zone.ts'
import { decodeSnapshot } from '#snapshot/model/manifest-json.ts'
import { groupBySource } from '#snapshot/model/snapshots.ts'
import { formatSource, parseSource } from '#snapshot/model/source-text.ts'
import type { DefinedPolicy } from '#snapshot/policy/merge.ts'
import { decodePolicy } from '#snapshot/policy/policy-json.ts'
import { effectiveAmong } from '#snapshot/policy/store.ts'
import { type FixtureFacts, fixtureFacts } from '../../support/fixtures.ts'

interface Facts extends FixtureFacts {
  readonly policies: readonly {
    readonly id: string
    readonly target: { readonly host: string; readonly userName: string; readonly path: string }
  }[]
  readonly policyShowText: Readonly<Record<string, string>>
  readonly snapshots: readonly { readonly id: string; readonly retentionReason?: readonly string[] }[]
  readonly snapshotListText: string
}

const sizes = new SizePrinter(false)
const printers = { sizes, times: new TimePrinter(utc), paint: new Painter(false) }
const all: RowOptions = {
  humanReadable: true,
  owner: true,
  mtime: true,
  manifestId: true,
  delta: false,
  storageStats: false,
  identical: true,
}

describe.each(['default', 'compressors', 'errors', 'history', 'retention', 'sources', 'stdin'])('texts recorded for %s', (name) => {
  const facts = fixtureFacts<Facts>(name)

  test.skipIf(facts.policyShowText === undefined)('policy show', () => {
    const defined: DefinedPolicy[] = facts.policies.map(({ id, target, ...policy }) => ({
      id,
      target: { user: target.userName, host: target.host, path: target.path },
      policy: decodePolicy(policy),
    }))
    for (const [text, expected] of Object.entries(facts.policyShowText)) {
      const source = parseSource(text, { user: 'alice', host: 'laptop' })
      const rows = policyRows(effectiveAmong(defined, source), source, sizes)
      expect(`Policy for ${text}:\n\n${alignRows(rows).join('\n')}\n`).toBe(expected)
    }
  })

  test.skipIf(facts.snapshotListText === undefined)('snapshot list', () => {
    const reasons = new Map(facts.snapshots.map((s) => [s.id, s.retentionReason ?? []]))
    const groups = groupBySource(facts.snapshots.map((s) => decodeSnapshot(s.id, s)))
    const text = groups.map(({ source, snapshots }) => {
      const listed = snapshots.flatMap((snapshot) =>
        snapshot.rootEntry ? [{ snapshot, entry: snapshot.rootEntry, reasons: reasons.get(snapshot.id) ?? [], use: undefined }] : [],
      )
      return `${formatSource(source)}\n${snapshotRows(listed, all, printers).join('\n')}\n`
    })
    expect(text.join('\n')).toBe(facts.snapshotListText)
  })
})

describe('rows of snapshot list', () => {
  const facts = fixtureFacts<Facts>('retention')
  const [first] = facts.snapshots.map((s) => decodeSnapshot(s.id, s))

  test('merge neighbours with the same object, with all their reasons and pins', () => {
    const entry = first?.rootEntry
    if (!first || !entry) throw new Error('the fixture has no snapshot')
    const at = (days: number, pins: string[]) => ({ ...first, id: `${days}`, startNs: BigInt(days) * 86_400_000_000_000n, pins })
    const listed = [
      { snapshot: at(1, ['b']), entry, reasons: ['latest-3', 'daily-3'], use: undefined },
      { snapshot: at(2, ['a']), entry, reasons: ['latest-2', 'daily-2'], use: undefined },
      { snapshot: at(3, []), entry, reasons: ['incomplete', 'latest-1'], use: undefined },
    ]
    const rows = snapshotRows(listed, { ...all, owner: false, mtime: false, manifestId: false, identical: false }, printers)
    expect(rows).toHaveLength(2)
    expect(rows[0]).toMatch(/ \(incomplete,latest-1\.\.3,daily-2\.\.3\) pins:a,b$/)
    expect(rows[1]).toBe('  + 2 identical snapshots until 1970-01-04 00:00:00 UTC')
  })
})
