import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'

const home = new KuraHome()
afterAll(() => home.remove())

const needed = ['dbus-run-session', 'gnome-keyring-daemon', 'secret-tool']
const missing = needed.filter((name) => !existsSync(`/usr/bin/${name}`))

/** Runs a shell script in a desktop session of its own with an unlocked keyring. `kura` stands for the built command. */
function inSession(script: string): string {
  const runtime = home.path('runtime')
  mkdirSync(runtime, { recursive: true, mode: 0o700 })
  const unlock = 'printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1'
  const kura = `kura() { "${process.execPath}" "${process.cwd()}/dist/kura" "$@"; }`
  const { KOPIA_PASSWORD: _, ...env } = { ...process.env, ...home.env }
  const run = spawnSync('dbus-run-session', ['--', 'bash', '-ec', `${unlock}\n${kura}\n${script}`], {
    env: { ...env, XDG_RUNTIME_DIR: runtime, XDG_DATA_HOME: home.path('data') },
    encoding: 'utf8',
    timeout: 240_000,
  })
  if (run.status !== 0) throw new Error(`status ${run.status}: ${run.stdout}${run.stderr}`)
  return run.stdout
}

describe.skipIf(missing.length > 0)('a password in the keyring', () => {
  test('is kept there instead of in a file, is enough to open, and goes with the connection', () => {
    mkdirSync(home.path('repository'))
    const find = 'secret-tool search --all username "$(id -un)" 2>/dev/null'
    const out = inSession(`
      KOPIA_PASSWORD=sesame kura repository create filesystem --path "${home.path('repository')}" --use-keyring >/dev/null
      ${find}
      kura repository status --use-keyring | head -1
      kura repository disconnect --use-keyring
      echo "left: $(${find})"`)
    expect(out).toMatch(/^secret = sesame$/m)
    expect(out).toMatch(/^Config file:/m)
    expect(out).toMatch(/^left: $/m)
    expect(existsSync(`${home.env['KOPIA_CONFIG_PATH']}.kopia-password`)).toBe(false)
  })
})
