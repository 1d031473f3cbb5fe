import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { repositoryRoot } from '../support/shared.ts'

const home = new KuraHome()
afterAll(() => home.remove())

// The command on the search path, as an installed one is.
const kura = home.path('kura')
writeFileSync(kura, `#!/bin/sh\nexec "${process.execPath}" "${join(repositoryRoot, 'dist/kura')}" "$@"\n`)
chmodSync(kura, 0o755)

const press = (shell: string, typed: string, wanted: string): string => {
  const setup = `PATH="${home.root}:$PATH"; source <(kura --completion-script-${shell})`
  const script = join(repositoryRoot, 'test/support/press-tab.py')
  const run = spawnSync('python3', [script, shell, setup, typed, wanted], {
    env: { ...process.env, ...home.env },
    encoding: 'utf8',
    timeout: 240_000,
  })
  return run.stdout + run.stderr
}

describe.each(['bash', 'zsh'])('the tab key in %s', (shell) => {
  const missing = !existsSync(`/usr/bin/${shell}`) && !existsSync(`/bin/${shell}`)

  test.skipIf(missing)('completes commands, flags and values (skipped where the shell is not installed)', () => {
    expect(press(shell, 'kura snapshot cre\t', 'create')).toContain('create')
    expect(press(shell, 'kura snapshot list --max-r\t', '--max-results')).toContain('--max-results')
    expect(press(shell, 'kura blob list --log-level war\t', 'warning')).toContain('warning')
  })
})
