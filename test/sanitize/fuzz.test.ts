import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { scratchFolders } from '../support/scratch.ts'
import { repositoryRoot } from '../support/shared.ts'
import { compileSanitized, whyNoSanitizers } from './sanitizers.ts'

// A round of fixed length and seed for every parser of bytes that others wrote. To look further by hand, with libFuzzer of clang:
//   clang -g -fsanitize=fuzzer,address,undefined -Inode_modules/node-api-headers/include -DNAPI_VERSION=9 \
//     -no-pie -Wl,--unresolved-symbols=ignore-all test/sanitize/fuzz/NAME.c -o /tmp/NAME && /tmp/NAME test/sanitize/fuzz/corpus/NAME
// or with this driver and another seed: KURA_FUZZ_RUNS=10000000 KURA_FUZZ_SEED=2 npx vitest run --project sanitize test/sanitize/fuzz

const scratch = scratchFolders()
const reason = whyNoSanitizers(scratch())
const folder = join(repositoryRoot, 'test/sanitize/fuzz')
const targets = readdirSync(folder)
  .filter((name) => name.endsWith('.c') && name !== 'driver.c')
  .map((name) => name.slice(0, -2))
const runs = process.env['KURA_FUZZ_RUNS'] ?? '60000'
const seed = process.env['KURA_FUZZ_SEED'] ?? '1'

describe.skipIf(reason !== undefined)(`parsers of untrusted bytes, fuzzed${reason ? ` (skipped: ${reason})` : ''}`, () => {
  it.each(targets)('%s takes any bytes', async (target) => {
    const out = scratch()
    const [driver, parser, program] = ['driver.o', 'parser.o', 'fuzzer'].map((name) => join(out, name)) as [string, string, string]
    compileSanitized([join(folder, 'driver.c')], driver, ['-c'])
    compileSanitized([join(folder, `${target}.c`)], parser, ['-c', '-fsanitize-coverage=trace-pc,trace-cmp'])
    // What the parser does not need of Node is not there.
    compileSanitized([driver, parser], program, ['-no-pie', '-Wl,--unresolved-symbols=ignore-all'])
    const crash = join(out, 'crash')
    const args = [join(folder, 'corpus', target), runs, seed, crash]
    const { stdout } = await promisify(execFile)(program, args).catch((error: { stderr: string }) => {
      const input = readFileSync(crash, { flag: 'a+' }).toString('base64')
      throw new Error(`${target} fails with this input (base64): ${input}\n${error.stderr}`)
    })
    expect(stdout).toMatch(/^\d+ runs/)
    // Inputs that are of interest were found, so the parser did get to see them.
    const [, given, kept] = /(\d+) inputs given, (\d+) kept/.exec(stdout) ?? []
    expect(Number(kept)).toBeGreaterThan(Number(given))
  })
})
