// Writing into backup/ beside the native file system and, where PASSTHROUGH_LL names its program, libfuse's passthrough_ll; what a flush costs
// beside `snapshot create` of the same files; one byte changed in a large file; the idle mount. As root, for /dev/fuse.
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { measure } from './measure.mjs'
import { readOptions } from './options.mjs'
import { findPeers, freshFolder } from './peers.mjs'
import { Report, saveResults } from './report.mjs'
import { makeTree } from './tree.mjs'

const values = readOptions('npm run bench -- backup …', {
  files: ['5000', 'small files that are copied'],
  mebibytes: ['512', 'written in one go'],
  large: ['1024', 'mebibytes of the file in which one byte changes'],
  rounds: ['3', 'how often all is measured; medians are shown'],
})
const { peers } = findPeers([])
const [kura] = peers
const place = freshFolder(join(values.folder, 'backup'))
const tree = join(place, 'tree')
makeTree(tree, Number(values.files))
const report = new Report()
const facts = []

/** CPU seconds of a process so far. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** A command on a file system; the CPU time of the process that serves it counts. */
function add(work, system, command, args, env) {
  const before = system.pid ? cpuOf(system.pid) : 0
  const result = measure(command, args, env)
  const served = system.pid ? cpuOf(system.pid) - before : 0
  report.add(work, system.name, { ...result, cpu: result.cpu + served })
  return result
}

function workOn(system) {
  const at = (name) => join(system.folder, name)
  add('cp -a', system, 'cp', ['-a', tree, at('cp')])
  add('rsync -a', system, 'rsync', ['-a', `${tree}/`, `${at('rsync')}/`])
  add('rsync -a again', system, 'rsync', ['-a', `${tree}/`, `${at('rsync')}/`])
  add('find -ls', system, 'find', [at('cp'), '-ls'])
  add(`write ${values.mebibytes} MiB`, system, 'dd', [
    'if=/dev/zero',
    `of=${at('zeros')}`,
    'bs=1M',
    `count=${values.mebibytes}`,
    'status=none',
  ])
  add('rm -r', system, 'rm', ['-r', at('rsync')])
  rmSync(at('zeros'))
}

async function served(name, mountPoint, command, args, env, isThere) {
  mkdirSync(mountPoint, { recursive: true })
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: 'ignore' })
  for (let i = 0; i < 1200 && !isThere(); i++) {
    if (child.exitCode !== null) throw new Error(`${command} ended with status ${child.exitCode}`)
    await sleep(50)
  }
  return { name, pid: child.pid, child }
}

const isMounted = (mountPoint) => readFileSync('/proc/mounts', 'utf8').includes(` ${mountPoint} `)
const end = async ({ child }, mountPoint) => {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  spawnSync('umount', [mountPoint])
  await ended
}

async function mountKura(work) {
  const mountPoint = join(work, 'mnt')
  const env = { ...kura.env(work), XDG_STATE_HOME: join(work, 'state') }
  const args = ['mount', 'all', mountPoint, '--flush-after', '1h', '--flush-every', '24h']
  const system = await served('kura', mountPoint, kura.command, args, env, () => isMounted(mountPoint))
  const status = () => JSON.parse(readFileSync(join(mountPoint, '.kura/status'), 'utf8'))
  return { ...system, folder: join(mountPoint, 'backup'), mountPoint, env, status }
}

function flush(system, work) {
  return add(work, system, kura.command, ['flush', system.mountPoint], system.env)
}

async function changeOneByte(system) {
  const path = join(system.folder, 'large')
  spawnSync('dd', ['if=/dev/urandom', `of=${path}`, 'bs=1M', `count=${values.large}`, 'status=none'])
  flush(system, `flush of ${values.large} MiB`)
  const fd = openSync(path, 'r+')
  writeSync(fd, Buffer.from('!'), 0, 1, (Number(values.large) << 20) / 2)
  closeSync(fd)
  flush(system, `flush of one byte changed in ${values.large} MiB`)
  facts.push({ newBytes: system.status().last.new_bytes })
}

async function idle(system, seconds) {
  await sleep(3000)
  const before = cpuOf(system.pid)
  await sleep(seconds * 1000)
  facts.push({ idleCpuSeconds: cpuOf(system.pid) - before, ofSeconds: seconds })
}

for (let round = 0; round < Number(values.rounds); round++) {
  const work = freshFolder(join(place, 'work'))
  mkdirSync(join(work, 'native'))
  workOn({ name: 'native', folder: join(work, 'native') })
  const passthrough = process.env['PASSTHROUGH_LL']
  if (passthrough) {
    const [source, mountPoint] = [join(work, 'below'), join(work, 'passthrough')]
    mkdirSync(source)
    const args = ['-f', '-o', `source=${source},default_permissions,allow_other`, mountPoint]
    const system = await served('pass_ll', mountPoint, passthrough, args, {}, () => isMounted(mountPoint))
    workOn({ ...system, folder: mountPoint })
    await end(system, mountPoint)
  }
  measure(...kura.create(work), kura.env(work))
  const system = await mountKura(work)
  workOn(system)
  flush(system, `flush of ${values.files} files`)
  await changeOneByte(system)
  if (round === 0) await idle(system, 10)
  await end(system, system.mountPoint)
  const other = freshFolder(join(place, 'create'))
  measure(...kura.create(other), kura.env(other))
  add(`flush of ${values.files} files`, { name: 'create' }, ...kura.snapshot(other, join(work, 'native/cp')), kura.env(other))
  for (const folder of [work, other]) rmSync(folder, { recursive: true, force: true })
}
if (!process.env['PASSTHROUGH_LL']) console.log('(passthrough_ll is not measured: PASSTHROUGH_LL names no program of it)')
report.print()
for (const fact of facts) console.log(JSON.stringify(fact))
console.log(`\n${saveResults('backup', { about: values, report: report.rows(), facts })}`)
rmSync(place, { recursive: true, force: true })
