import { describe, expect, test } from 'vitest'
import { Limiter, mapLimited } from '#base/limit.ts'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('Limiter', () => {
  test('never runs more than the limit, in order, and goes on after failures', async () => {
    const limiter = new Limiter(3)
    let active = 0
    let most = 0
    const started: number[] = []
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        limiter.run(async () => {
          started.push(i)
          most = Math.max(most, ++active)
          await tick()
          active--
          if (i % 4 === 0) throw new Error(`${i}`)
          return i
        }),
      ),
    )
    expect(most).toBe(3)
    expect(started).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(results.filter((r) => r.status === 'rejected')).toHaveLength(5)
    expect(active).toBe(0)
  })

  test('gives a freed place to a newcomer when nobody waits', async () => {
    const limiter = new Limiter(1)
    await limiter.run(async () => 1)
    expect(await limiter.run(async () => 2)).toBe(2)
  })
})

describe('mapLimited', () => {
  test('keeps the order of results whatever order the calls end in', async () => {
    const results = await mapLimited([5, 1, 4, 2, 3], 3, async (n, index) => {
      for (let i = 0; i < n; i++) await tick()
      return `${index}:${n}`
    })
    expect(results).toEqual(['0:5', '1:1', '2:4', '3:2', '4:3'])
  })

  test('keeps to the limit and takes asynchronous input', async () => {
    let active = 0
    let most = 0
    async function* numbers(): AsyncIterable<number> {
      for (let i = 0; i < 20; i++) yield i
    }
    await mapLimited(numbers(), 4, async () => {
      most = Math.max(most, ++active)
      await tick()
      active--
    })
    expect(most).toBe(4)
  })

  test('throws the first error, starts nothing after it, and waits for what runs', async () => {
    let ended = 0
    const started: number[] = []
    const run = mapLimited(
      Array.from({ length: 50 }, (_, i) => i),
      4,
      async (n) => {
        started.push(n)
        await tick()
        if (n === 2) throw new Error('second')
        if (n === 1) throw new Error('first')
        await tick()
        ended++
      },
    )
    await expect(run).rejects.toThrow('first')
    expect(started.length).toBeLessThan(10)
    expect(ended).toBe(started.length - 2)
  })

  test('throws the error of the input, having waited for what runs', async () => {
    let ended = 0
    function* broken(): Iterable<number> {
      yield 1
      yield 2
      throw new Error('input')
    }
    const run = mapLimited(broken(), 4, async () => {
      await tick()
      await tick()
      ended++
    })
    await expect(run).rejects.toThrow('input')
    expect(ended).toBe(2)
  })

  test('does nothing for nothing', async () => {
    expect(await mapLimited([], 4, async () => 1)).toEqual([])
  })
})
