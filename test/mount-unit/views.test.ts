import { describe, expect, test } from 'vitest'
import { checkView, usualViews, type ViewFolder, viewTree } from '#mount/views.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'

const snapshot = (id: string, seconds: number, tags: Record<string, string> = {}, path = '/a/b'): Snapshot =>
  ({ id, startNs: BigInt(seconds) * 1_000_000_000n, tags, source: { user: 'u', host: 'h', path } }) as unknown as Snapshot

function paths(folder: ViewFolder, above = ''): string[] {
  const below = [...folder.folders].flatMap(([name, inner]) => [`${above}${name}/`, ...paths(inner, `${above}${name}/`)])
  return [...below, ...[...folder.snapshots].map(([name, { id }]) => `${above}${name} = ${id}`)].sort()
}

describe('views of snapshots', () => {
  test('are by ID, tag and time; there is a place for each tag', () => {
    const all = [snapshot('one', 1, { 'tag:kind': 'full', 'tag:by': 'a/b' }), snapshot('two', 2)]
    expect(paths(viewTree(usualViews, all))).toEqual([
      'by-id/',
      'by-id/one = one',
      'by-id/two = two',
      'by-tag/',
      'by-tag/by=a_b/',
      'by-tag/by=a_b/19700101-000001 = one',
      'by-tag/kind=full/',
      'by-tag/kind=full/19700101-000001 = one',
      'by-time/',
      'by-time/19700101-000001 = one',
      'by-time/19700101-000002 = two',
    ])
  })

  test('are there though nothing is in them', () => {
    expect(paths(viewTree(usualViews, []))).toEqual(['by-id/', 'by-tag/', 'by-time/'])
  })

  test('follow templates, and tell apart what would have one name', () => {
    const all = [snapshot('one', 1), snapshot('two', 1), snapshot('three', 1, {}, '/')]
    expect(paths(viewTree(['%h/%u/%p/%T'], all)).filter((p) => p.includes('='))).toEqual([
      'h/u/__root/19700101-000001 = three',
      'h/u/a_b/19700101-000001 (2) = two',
      'h/u/a_b/19700101-000001 = one',
    ])
  })

  test.each(['%x', 'a%', '/abs/%T', 'a/../%T', 'by-host/%h', ''])('refuse the template %j', (template) => {
    expect(() => checkView(template)).toThrow(/the view/)
  })
})
