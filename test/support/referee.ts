import { spawn } from 'node:child_process'
import { chmodSync, cpSync, existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Limiter } from '#base/limit.ts'
import { repositoryRoot, sharedPath } from './shared.ts'

const python = join(repositoryRoot, 'build/referee/bin/python')
const checker = join(repositoryRoot, 'build/referee/pyreader')
const atOnce = new Limiter(2)

export interface FsckReport {
  readonly status: number | null
  /** Violations and notes, one a line. */
  readonly output: string
}

/** Runs the strict checker that was written from the specification alone; `flags` as its README has them. */
export function runFsck(repositoryPath: string, password: string, ...flags: string[]): Promise<FsckReport> {
  if (!existsSync(python)) throw new Error(`${python} is missing: run scripts/test once, it makes the checker's environment`)
  prepareChecker()
  return atOnce.run(() => fsck(repositoryPath, password, flags))
}

/** A copy that has the table of the rolling hash beside it, where the checker looks for it. */
function prepareChecker(): void {
  if (existsSync(checker)) return
  const partial = `${checker}.${process.pid}`
  cpSync(sharedPath('referee/pyreader'), partial, { recursive: true })
  // The shared folder may be read-only, and modes are copied.
  for (const folder of [partial, join(partial, 'kr')]) chmodSync(folder, 0o755)
  cpSync(sharedPath('spec/vectors/buzhash-table.json'), join(partial, 'kr/buzhash-table.json'))
  try {
    renameSync(partial, checker)
  } catch {
    rmSync(partial, { recursive: true }) // another test process was first
  }
}

function fsck(repositoryPath: string, password: string, flags: readonly string[]): Promise<FsckReport> {
  const args = [checker, 'fsck', '--path', repositoryPath, ...flags]
  const child = spawn(python, args, { env: { ...process.env, KOPIA_PASSWORD: password }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, output }))
  })
}
