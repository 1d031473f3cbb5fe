import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { RandomOperations } from './random-operations.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const operations = Number(process.env['KURA_MODEL_OPERATIONS'] ?? 2_000)
const firstSeed = Number(process.env['KURA_MODEL_SEED'] ?? 1)

async function run(seed: number, count: number): Promise<void> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kura-model-'))
  folders.push(folder)
  const random = new RandomOperations(folder, seed, seed % 2 === 0 ? { smallFileBytes: 12_000 } : {})
  await random.open()
  for (let i = 1; i <= count; i++) {
    await random.step()
    if (i % 40 === 0) {
      await random.heldAreEqual()
      expect(await random.describe(), `operation ${i} of seed ${seed}: ${random.log.slice(-45).join(', ')}`).toEqual(random.describeModel())
    }
    if (i % 97 === 0) {
      await random.reopen()
      expect(await random.describe(), `reopened at ${i}: ${random.log.slice(-45).join(', ')}`).toEqual(random.describeModel())
    }
    if (i % 71 === 0) {
      const during = [0, 5, 30][i % 3] as number
      const { stored, model } = await random.flush(`s${i}`, during, i % 5 !== 0)
      expect(stored, `flush at ${i} of seed ${seed}: ${random.log.slice(-45).join(', ')}`).toEqual(model)
    }
  }
  await random.staging.close()
  expect(random.warnings).toEqual([])
}

describe('the staging area beside a simple model', () => {
  for (let seed = firstSeed; seed < firstSeed + 5; seed++) {
    it(`is equal after random operations, reopening and flushes with writers going on (seed ${seed})`, () => run(seed, operations))
  }
})
