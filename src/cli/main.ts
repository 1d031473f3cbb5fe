import { versionLine } from './version.ts'

const words = process.argv.slice(2)
if (words.length === 1 && words[0] === '--version') process.stdout.write(`${versionLine()}\n`)
else {
  const { start } = await import('./start.ts')
  process.exit(await start(words))
}
