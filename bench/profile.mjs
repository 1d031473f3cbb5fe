// Where the time of one command of Kura goes: JavaScript by folder and function from V8's profile, all threads by symbol from perf where
// it is installed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { prepare } from './data.mjs'
import { readOptions } from './options.mjs'
import { findPeers, freshFolder } from './peers.mjs'
import { saveResults } from './report.mjs'

const values = readOptions('npm run bench -- profile …', {
  set: ['small', 'data set: random, text or small'],
  work: ['first', 'first, unchanged or restore'],
  scale: ['1', 'size of the data set'],
})
const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist')
const [kura] = findPeers([]).peers
const source = prepare(values.set, values.folder, Number(values.scale))
const work = freshFolder(join(values.folder, 'work', 'profile'))
const env = { ...process.env, ...kura.env(work) }
const run = ([, args], before = []) => {
  const [program, ...rest] = [...before, process.execPath, join(dist, 'kura'), ...args]
  const done = spawnSync(program, rest, { env, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${args.join(' ')} ended with status ${done.status}: ${done.stderr}`)
}

run(kura.create(work))
if (values.set === 'text') run(kura.compress(work))
if (values.work !== 'first') run(kura.snapshot(work, source))
const target = () => join(work, `restored-${Math.random()}`)
const command = () => (values.work === 'restore' ? kura.restore(work, source, target()) : kura.snapshot(work, source))

const folder = mkdtempSync(join(tmpdir(), 'kura-profile-'))
try {
  const profiled = spawnSync(process.execPath, ['--cpu-prof', `--cpu-prof-dir=${folder}`, join(dist, 'kura'), ...command()[1]], {
    env,
    stdio: 'ignore',
  })
  if (profiled.status !== 0) throw new Error('the profiled command failed')
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
  const { byModule, byFunction } = summary(JSON.parse(readFileSync(join(folder, file), 'utf8')))
  print('JavaScript by module, ms', byModule)
  print('JavaScript by function, ms', byFunction)
  saveResults(`profile-${values.set}-${values.work}`, { byModule, byFunction })
  perf(folder)
} finally {
  rmSync(folder, { recursive: true, force: true })
  rmSync(work, { recursive: true, force: true })
}

/** Self times in milliseconds, the largest first. */
function summary({ nodes, samples, timeDeltas }) {
  const self = new Map()
  for (const [i, id] of samples.entries()) self.set(id, (self.get(id) ?? 0) + timeDeltas[i] / 1000)
  const modules = new Map()
  const functions = new Map()
  for (const { id, callFrame } of nodes) {
    const ms = self.get(id) ?? 0
    if (ms === 0 || callFrame.functionName === '(idle)') continue
    const place = moduleOf(callFrame)
    modules.set(place, (modules.get(place) ?? 0) + ms)
    const name = `${callFrame.functionName || '(anonymous)'} ${place}`
    functions.set(name, (functions.get(name) ?? 0) + ms)
  }
  const top = (map) =>
    [...map]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 25)
      .map(([name, ms]) => ({ name, ms: Math.round(ms * 10) / 10 }))
  return { byModule: top(modules), byFunction: top(functions) }
}

/** The source module of a place in the bundle: each has a comment with its path above it. */
function moduleOf({ url, lineNumber }) {
  if (!url.startsWith('file:') || !url.endsWith('.mjs')) return url.startsWith('node:') ? 'node' : url || 'V8'
  const lines = (moduleOf.files ??= new Map()).get(url) ?? readFileSync(fileURLToPath(url), 'utf8').split('\n')
  moduleOf.files.set(url, lines)
  for (let i = Math.min(lineNumber, lines.length - 1); i >= 0; i--) {
    const found = /^\/\/(?:#region)? ?((?:src|node_modules)\/\S+)/.exec(lines[i])
    if (found) return found[1]
  }
  return url.slice(url.lastIndexOf('/') + 1)
}

function perf(place) {
  if (spawnSync('perf', ['--version'], { stdio: 'ignore' }).status !== 0)
    return console.log('\n(perf is not installed: native threads are not shown)')
  const data = join(place, 'perf.data')
  run(command(), ['perf', 'record', '-q', '-F', '499', '-o', data])
  const shown = spawnSync('perf', ['report', '--stdio', '-i', data, '--sort', 'dso,symbol', '--percent-limit', '0.7'], { encoding: 'utf8' })
  console.log('\nAll threads, by symbol')
  for (const line of shown.stdout.split('\n')) if (/^\s+\d/.test(line)) console.log(line.trimEnd())
}

function print(title, rows) {
  console.log(`\n${title}`)
  for (const { name, ms } of rows) console.log(`${ms.toFixed(1).padStart(9)}  ${name}`)
}
