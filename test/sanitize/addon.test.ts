import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scratchFolders } from '../support/scratch.ts'
import { repositoryRoot } from '../support/shared.ts'
import { compileSanitized, runtimeLibrary, whyNoSanitizers } from './sanitizers.ts'

const scratch = scratchFolders()
const reason = whyNoSanitizers(scratch())

/** Runs a program and gives its exit code and all it printed. */
function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: repositoryRoot, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece) => {
        text += String(piece)
      })
    child.on('error', reject)
    child.on('close', (code) => {
      resolve({ code, text })
    })
  })
}

describe.skipIf(reason !== undefined)(
  `the addon under address and undefined behaviour sanitizers${reason ? ` (skipped: ${reason})` : ''}`,
  () => {
    it('does what its tests ask of it without a report', async () => {
      const folder = scratch()
      const addon = join(folder, 'kura.node')
      const sources = join(repositoryRoot, 'native')
      const files = readdirSync(sources).filter((name) => name.endsWith('.c'))
      compileSanitized(
        files.map((name) => join(sources, name)),
        addon,
        ['-fPIC', '-shared'],
      )
      // V8 reserves more address space than the sanitizer likes to see freed late; leaks are not what this looks for.
      const reports = join(folder, 'reports')
      mkdirSync(reports)
      const options = `detect_leaks=0:abort_on_error=1:log_path=${join(reports, 'asan')}`
      const env = {
        ...process.env,
        LD_PRELOAD: [runtimeLibrary('libasan.so'), runtimeLibrary('libubsan.so')].join(' '),
        ASAN_OPTIONS: options,
        UBSAN_OPTIONS: `print_stacktrace=1:${options}`,
        KURA_NATIVE: addon,
      }
      const vitest = join(repositoryRoot, 'node_modules/vitest/vitest.mjs')
      const args = [vitest, 'run', '--project', 'unit', '--pool', 'forks', '--testTimeout', '600000', 'test/native']
      const { code, text } = await run(process.execPath, args, env)
      expect(readdirSync(reports), text).toEqual([])
      expect(code, text).toBe(0)
      expect(text).toMatch(/Tests .*passed/)
    })
  },
)
