import { describe, expect, test } from 'vitest'
import { copyHistory, type HistoryRequest } from '#snapshot/history.ts'
import { newCounters } from '#snapshot/model/counters.ts'
import { listSnapshots, saveSnapshot } from '#snapshot/model/snapshots.ts'
import { formatSource, parseSource } from '#snapshot/model/source-text.ts'
import { fakeRepository } from './fake-repository.ts'

const source = (text: string) => (text === '' ? { user: '', host: '', path: '' } : parseSource(text, { user: 'u', host: 'h' }))

async function rig() {
  const { repository } = fakeRepository()
  for (const [n, text] of ['a@laptop:/x', 'a@laptop:/y', 'b@laptop:/x'].entries())
    await saveSnapshot(repository, {
      id: '',
      source: source(text),
      description: text,
      startNs: BigInt(n + 1),
      endNs: 9n,
      stats: newCounters(),
      tags: { 'tag:t': '1' },
      pins: ['p'],
    })
  const go = (from: string, to: string, more: Partial<HistoryRequest> = {}) =>
    copyHistory(repository, { from: source(from), to: source(to), isMove: false, isDryRun: false, ...more })
  const sources = async () => (await listSnapshots(repository)).map((s) => formatSource(s.source)).sort()
  return { repository, go, sources }
}

describe('copyHistory', () => {
  test('replaces the given parts and keeps the rest', async () => {
    const { repository, go, sources } = await rig()
    expect(await go('a@laptop', 'z@new')).toBe(2)
    expect(await sources()).toEqual(['a@laptop:/x', 'a@laptop:/y', 'b@laptop:/x', 'z@new:/x', 'z@new:/y'])
    const copy = (await listSnapshots(repository, { source: source('z@new:/x') }))[0]
    expect(copy).toMatchObject({ description: 'a@laptop:/x', startNs: 1n, pins: ['p'], tags: { 'tag:t': '1' } })
  })

  test('a second copy finds everything there; a move then deletes the originals', async () => {
    const { go, sources } = await rig()
    await go('a@laptop:/x', 'a@laptop:/moved')
    expect(await go('a@laptop:/x', 'a@laptop:/moved')).toBe(0)
    expect(await go('a@laptop:/x', 'a@laptop:/moved', { isMove: true })).toBe(0)
    expect(await sources()).toEqual(['a@laptop:/moved', 'a@laptop:/y', 'b@laptop:/x'])
  })

  test('a dry run changes nothing, and onto itself nothing is lost', async () => {
    const { go, sources } = await rig()
    const before = await sources()
    expect(await go('@laptop', '@new', { isMove: true, isDryRun: true })).toBe(3)
    await go('a@laptop', 'a@laptop', { isMove: true })
    expect(await sources()).toEqual(before)
  })

  test('refuses what would merge paths or users', async () => {
    const { go } = await rig()
    await expect(go('a@laptop', 'a@laptop:/z')).rejects.toThrow('source path')
    await expect(go('@laptop', 'z@laptop')).rejects.toThrow('source username')
  })
})
