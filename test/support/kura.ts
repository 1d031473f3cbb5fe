import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot } from './shared.ts'

export interface KuraRun {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A person with a home of their own: the built command, run with its own configuration, cache and logs. */
export class KuraHome {
  readonly root = mkdtempSync(join(tmpdir(), 'kura-home-'))
  readonly env: NodeJS.ProcessEnv

  constructor(password = 'test-password', extra: NodeJS.ProcessEnv = {}) {
    const { NODE_EXTRA_CA_CERTS: _, ...clean } = process.env
    this.env = {
      ...clean,
      KOPIA_CONFIG_PATH: join(this.root, 'config', 'repository.config'),
      KOPIA_CACHE_DIRECTORY: join(this.root, 'cache'),
      KOPIA_LOG_DIR: join(this.root, 'logs'),
      XDG_STATE_HOME: join(this.root, 'state'),
      KOPIA_PASSWORD: password,
      KOPIA_CHECK_FOR_UPDATES: 'false',
      TZ: 'UTC',
      ...extra,
    }
  }

  /** Path below the home; its parent is made. */
  path(...parts: string[]): string {
    const full = join(this.root, ...parts)
    mkdirSync(join(full, '..'), { recursive: true })
    return full
  }

  start(...args: string[]): ChildProcess {
    return spawn(join(repositoryRoot, 'dist/kura'), args, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
  }

  run(...args: string[]): Promise<KuraRun> {
    const child = this.start(...args)
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
    })
  }

  /** Runs a command that must succeed; returns what it printed on stdout. */
  async ok(...args: string[]): Promise<string> {
    const run = await this.run(...args)
    if (run.status !== 0) throw new Error(`kura ${args.join(' ')} ended with ${run.status ?? run.signal}:\n${run.stderr}${run.stdout}`)
    return run.stdout
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}
