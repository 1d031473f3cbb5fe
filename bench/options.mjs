import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** Options of a measurement: `texts` are its own, by name: [default, what it is]. --folder is where the bytes lie (a memory file system
 *  gives steadier figures), --help prints all and ends. Returns name -> text. */
export function readOptions(about, texts) {
  const all = { ...texts, folder: [join(tmpdir(), 'kura-bench'), 'where data and repositories are made'] }
  const options = Object.fromEntries(Object.entries(all).map(([name, [value]]) => [name, { type: 'string', default: value }]))
  const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', default: false } } })
  if (!values.help) return values
  console.log(about)
  for (const [name, [value, meaning]] of Object.entries(all)) console.log(`  --${name}=${value}`.padEnd(36) + meaning)
  process.exit(0)
}
