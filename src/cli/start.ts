import '#repo/blob/filesystem.ts'
import { ProcessIo } from './process-io.ts'
import { runLine } from './run.ts'

/** Runs a command line in this process and returns its exit status. What opens a repository in a folder is imported here and not where
 *  it is first used: nearly every command needs it, and each module that is loaded by itself costs time. */
export async function start(words: readonly string[]): Promise<number> {
  const io = new ProcessIo()
  const status = await runLine(words, { io, env: process.env })
  await io.end()
  return status
}
