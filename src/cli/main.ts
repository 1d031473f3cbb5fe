import { versionLine } from './version.ts'

const words = process.argv.slice(2)
if (words.length === 1 && words[0] === '--version') process.stdout.write(`${versionLine()}\n`)
else {
  // Nearly every command opens a repository: what that takes is read beside the rest.
  if (words.length > 0) for (const ahead of [import('./connection.ts'), import('#repo/blob/filesystem.ts')]) ahead.catch(() => undefined)
  const [{ runLine }, { ProcessIo }] = await Promise.all([import('./run.ts'), import('./process-io.ts')])
  const io = new ProcessIo()
  const status = await runLine(words, { io, env: process.env })
  await io.end()
  process.exit(status)
}
