import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** Maker of empty folders that are removed when the test file ends. Call it once, at the top of a test file. */
export function scratchFolders(): () => string {
  const made: string[] = []
  afterAll(() => {
    for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
  })
  return () => {
    const path = mkdtempSync(join(tmpdir(), 'kura-test-'))
    made.push(path)
    return path
  }
}
