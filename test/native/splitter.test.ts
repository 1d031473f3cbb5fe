import { expect, it } from 'vitest'
import { findBuzhashCut } from '#repo/object/splitter/buzhash.ts'
import { findRabinKarpCut } from '#repo/object/splitter/rabin-karp.ts'
import { describeAddon, noise } from './addon.ts'

describeAddon('findCut', (addon) => {
  const data = noise(1 << 20, 5)
  // Long runs of one byte have no cut in them, or one at every place.
  data.fill(0, 300_000, 400_000)

  it('finds the cuts of the twins on every code path of the CPU, wherever a segment starts and the data ends', () => {
    for (const cpu of addon.cpus) {
      const before = addon.useCpu(cpu)
      for (const average of [128, 256, 1024, 65536])
        for (let i = 0; i < 400; i++) {
          const start = (i * 7919) % 400_000
          const end = start + ((i * 613) % (average * 2 + 200))
          const resume = i % 3 === 0 ? start + ((i * 97) % (average * 2)) : start
          const view = data.subarray(0, end)
          const [buzhash, rabinKarp] = [0, 1].map((kind) => addon.findCut(kind, average, view, start, resume))
          const place = `${cpu}, average ${average}, from ${start} to ${end}, again from ${resume}`
          expect(buzhash, place).toBe(findBuzhashCut(average, view, start, resume))
          expect(rabinKarp, place).toBe(findRabinKarpCut(average, view, start, resume))
        }
      addon.useCpu(before)
    }
  })

  it('cuts megabytes where the twins do', () => {
    for (const cpu of addon.cpus) {
      const before = addon.useCpu(cpu)
      for (let at = 0; at >= 0; ) {
        const cut = addon.findCut(0, 4096, data, at, at)
        expect(cut).toBe(findBuzhashCut(4096, data, at, at))
        at = cut
      }
      addon.useCpu(before)
    }
  })
})
