/**
 * Preloaded into a process (`node --import`): kills it right before its n-th change below some folders, for every n a test wants.
 *
 *   DIE_AT=n       which change; 0 = none
 *   DIE_BELOW=a:b  the folders
 *   DIE_COUNT=file takes one line for each change that was let through, in order
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const dieAt = Number(process.env.DIE_AT)
const below = (process.env.DIE_BELOW ?? '').split(':')
const log = fs.openSync(process.env.DIE_COUNT ?? '/dev/null', 'a')
const { writeSync } = fs
const pathOf = new Map()
let count = 0

function change(name, path) {
  if (typeof path !== 'string' || !below.some((folder) => `${path}/`.startsWith(`${folder}/`))) return
  if (++count === dieAt) process.kill(process.pid, 'SIGKILL')
  writeSync(log, `${name} ${path}\n`)
}

function wrap(owner, name, pathFrom) {
  const original = owner[name]
  if (original === undefined) throw new Error(`Node has no ${name} any more`)
  owner[name] = function (...args) {
    change(name, pathFrom.call(this, args))
    return original.apply(this, args)
  }
}

const first = ([path]) => String(path)
const ofNumber = ([fd]) => pathOf.get(fd)
for (const name of ['rename', 'unlink', 'link', 'rm', 'writeFile', 'appendFile', 'truncate', 'copyFile']) {
  wrap(fs, `${name}Sync`, name === 'copyFile' ? ([, to]) => String(to) : first)
  wrap(fs.promises, name, name === 'copyFile' ? ([, to]) => String(to) : first)
}
for (const name of ['writeSync', 'writevSync', 'ftruncateSync', 'fdatasyncSync', 'fsyncSync', 'fdatasync', 'fsync', 'write', 'writev'])
  wrap(fs, name, ofNumber)

const { openSync } = fs
fs.openSync = (path, ...rest) => {
  const fd = openSync(path, ...rest)
  pathOf.set(fd, String(path))
  return fd
}
const handles = new WeakMap()
const { open } = fs.promises
fs.promises.open = async (path, ...rest) => {
  const handle = await open(path, ...rest)
  handles.set(handle, String(path))
  pathOf.set(handle.fd, String(path))
  return handle
}
const probe = await open('/dev/null', 'r')
for (const name of ['write', 'writev', 'writeFile', 'appendFile', 'truncate', 'sync', 'datasync'])
  wrap(Object.getPrototypeOf(probe), name, function () {
    return handles.get(this)
  })
await probe.close()
syncBuiltinESMExports()
