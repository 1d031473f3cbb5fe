import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { nativeAddon } from '#base/native.ts'
import type { TreeContent, TreeEntry } from '../interop/facts.ts'

const mask = (1n << 64n) - 1n
const words = 'amber birch cobalt delta ember fjord garnet harbor indigo juniper kelp lumen meadow nickel onyx pebble'.split(' ')
const mixedBlockBytes = 65536

/** Outputs of splitmix64 one after another (fixtures README). */
function splitmix64(seed: number | string): () => bigint {
  let state = BigInt(seed) & mask
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & mask
    let z = state
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask
    return z ^ (z >> 31n)
  }
}

function randomBytesOf(seed: number | string, size: number): Buffer {
  const bytes = Buffer.alloc(Math.ceil(size / 8) * 8)
  const next = splitmix64(seed)
  for (let at = 0; at < bytes.length; at += 8) bytes.writeBigUInt64LE(next(), at)
  return bytes.subarray(0, size)
}

function textOf(seed: number | string, size: number): Buffer {
  const next = splitmix64(seed)
  const parts: string[] = []
  for (let length = 0; length < size; ) {
    const z = next()
    const part = words[Number(z & 15n)] + ((z >> 4n) % 12n === 0n ? '\n' : ' ')
    parts.push(part)
    length += part.length
  }
  return Buffer.from(parts.join('').slice(0, size))
}

const patternOf = (size: number): Buffer => Buffer.alloc(size, Buffer.from(Array.from({ length: 256 }, (_, i) => (7 * i) & 255)))

function mixedOf(seed: number | string, size: number): Buffer {
  const blocks = Math.ceil(size / mixedBlockBytes)
  const random = randomBytesOf(seed, Math.ceil(blocks / 4) * mixedBlockBytes)
  const pattern = patternOf(mixedBlockBytes)
  const bytes = Buffer.alloc(blocks * mixedBlockBytes)
  for (let i = 0; i < blocks; i++) {
    const at = i * mixedBlockBytes
    if (i % 4 === 0) random.copy(bytes, at, (i / 4) * mixedBlockBytes, (i / 4 + 1) * mixedBlockBytes)
    else if (i % 4 === 2) bytes.fill('a', at, at + mixedBlockBytes)
    else if (i % 4 === 3) pattern.copy(bytes, at)
  }
  return bytes.subarray(0, size)
}

function generate({ gen, seed = 0, size = 0 }: TreeContent): Buffer {
  if (gen === 'random') return randomBytesOf(seed, size)
  if (gen === 'hex')
    return Buffer.from(
      randomBytesOf(seed, Math.ceil(size / 2))
        .toString('hex')
        .slice(0, size),
    )
  if (gen === 'text') return textOf(seed, size)
  if (gen === 'zeros') return Buffer.alloc(size)
  if (gen === 'pattern') return patternOf(size)
  if (gen === 'mixed') return mixedOf(seed, size)
  throw new Error(`unknown generator ${gen}`)
}

const generated = new Map<string, Buffer>()

/** Bytes of a content; not to be changed, since large ones are kept for the next tree that has them. */
export function contentBytes(content: TreeContent): Buffer {
  const { text, base64, gen, patch = [], append = [] } = content
  let bytes: Buffer
  if (gen !== undefined) {
    const key = `${gen} ${content.seed} ${content.size}`
    bytes = generated.get(key) ?? generate(content)
    generated.set(key, bytes)
  } else bytes = text !== undefined ? Buffer.from(text) : Buffer.from(base64 ?? '', 'base64')
  if (patch.length > 0) {
    bytes = Buffer.from(bytes)
    for (const { offset, with: piece } of patch) contentBytes(piece).copy(bytes, offset)
  }
  return append.length > 0 ? Buffer.concat([bytes, ...append.map(contentBytes)]) : bytes
}

const firstTimeNs = 1683356889_000_000_000n
const stepNs = 1001n

interface Attributes {
  readonly path: Buffer
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
}

/** Builds a source tree of the fixtures in `root`, which must not exist (fixtures README). Devices need root. */
export async function buildTree(root: string, entries: readonly TreeEntry[]): Promise<void> {
  mkdirSync(root)
  const attributes = new Map<string, Attributes>()
  const folder = (path: Buffer): void => {
    if (path.length <= root.length || attributes.has(path.toString('latin1'))) return
    folder(parentOf(path))
    mkdirSync(path, { recursive: true })
    attributes.set(path.toString('latin1'), { path, type: 'dir', mode: 0o755, uid: 0, gid: 0, mtimeNs: firstTimeNs })
  }
  let number = 0
  for (const e of entries.flatMap(expandFiles)) {
    const path = Buffer.concat([Buffer.from(`${root}/`), e.pathBase64 ? Buffer.from(e.pathBase64, 'base64') : Buffer.from(e.path)])
    const mtimeNs = e.mtimeNs === undefined ? firstTimeNs + BigInt(number) * stepNs : BigInt(e.mtimeNs)
    number++
    folder(parentOf(path))
    await makeEntry(root, path, e)
    if (e.type === 'hardlink') continue
    const mode = e.mode === undefined ? (e.type === 'dir' ? 0o755 : 0o644) : Number.parseInt(e.mode, 8)
    attributes.set(path.toString('latin1'), { path, type: e.type, mode, uid: e.uid ?? 0, gid: e.gid ?? 0, mtimeNs })
  }
  attributes.set(Buffer.from(root).toString('latin1'), {
    path: Buffer.from(root),
    type: 'dir',
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeNs: firstTimeNs,
  })
  // Deepest first: what is made in a folder changes its time.
  const list = [...attributes.values()].sort((x, y) => y.path.length - x.path.length)
  for (const a of list) setAttributes(a)
  setTimes(list)
}

const parentOf = (path: Buffer): Buffer => path.subarray(0, path.lastIndexOf(0x2f))

function expandFiles(e: TreeEntry): TreeEntry[] {
  if (e.type !== 'files') return [e]
  const list: TreeEntry[] = []
  const { first = 0, last = 0, name = '', text = '' } = e
  for (let i = first; i < last; i++)
    list.push({
      ...e,
      type: 'file',
      path: `${e.path === '' || e.path === '.' ? '' : `${e.path}/`}${name.replace(/%0?(\d*)d/, (_, width: string) => String(i).padStart(Number(width), '0'))}`,
      content: { text: text.replace('%d', String(i)) },
    })
  return list
}

async function makeEntry(root: string, path: Buffer, e: TreeEntry): Promise<void> {
  if (e.type === 'file') writeFileSync(path, contentBytes(e.content ?? { text: '' }))
  else if (e.type === 'dir') mkdirSync(path, { recursive: true })
  else if (e.type === 'symlink') symlinkSync(e.target ?? '', path)
  else if (e.type === 'hardlink') linkSync(`${root}/${e.target}`, path)
  else if (e.type === 'sparse') {
    const fd = openSync(path, 'w')
    ftruncateSync(fd, e.size ?? 0)
    for (const { offset, with: piece } of e.data ?? []) writeSync(fd, contentBytes(piece), 0, undefined, offset)
    closeSync(fd)
  } else if (e.type === 'fifo') execFileSync('mkfifo', [path.toString()])
  else if (e.type === 'device') execFileSync('mknod', [path.toString(), 'c', '1', '3'])
  else if (e.type === 'socket') await makeSocket(path.toString())
  else throw new Error(`unknown type ${e.type}`)
}

/** A bound socket goes when its server closes: bound under a short name in a process that is killed instead. */
async function makeSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is too long for a socket`)
  mkdirSync(dirname(path), { recursive: true })
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  // Renamed, so that closing does not find it.
  execFileSync('mv', [path, `${path}.kept`])
  await new Promise((resolve) => server.close(resolve))
  execFileSync('mv', [`${path}.kept`, path])
}

function setAttributes({ path, type, mode, uid, gid }: Attributes): void {
  if (uid !== 0 || gid !== 0) lchownSync(path, uid, gid)
  if (type !== 'symlink') chmodSync(path, mode)
}

const setTimesInPython = `
import os, sys
for line in sys.stdin:
    path, ns = line.split()
    os.utime(bytes.fromhex(path), ns=(int(ns), int(ns)), follow_symlinks=False)
`

/** Sets the times of paths to the nanosecond, in this order, links not followed. */
export function setTimes(list: readonly { readonly path: Buffer; readonly mtimeNs: bigint }[]): void {
  const addon = nativeAddon()
  if (!addon) {
    execFileSync('python3', ['-c', setTimesInPython], { input: list.map((a) => `${a.path.toString('hex')} ${a.mtimeNs}\n`).join('') })
    return
  }
  for (const { path, mtimeNs } of list) {
    const rest = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
    addon.setTimes(path, Number((mtimeNs - rest) / 1_000_000_000n), Number(rest))
  }
}
