// Each function of the addon by itself: GB per second of CPU time on every code path of this CPU, beside its twin, and beside `openssl speed`
// and a plain copy of memory where they do the same kind of work.
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { readOptions } from './options.mjs'
import { saveResults } from './report.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const values = readOptions('npm run bench -- micro …', {
  seconds: ['0.3', 'CPU time that each figure is taken from, at least'],
  only: ['', 'measures only functions with this in their name'],
  json: ['', 'writes the figures to this file as well'],
})
const addon = createRequire(import.meta.url)(join(root, 'dist/kura.node'))
mkdirSync(values.folder, { recursive: true })
const scratch = mkdtempSync(join(values.folder, 'micro-'))
const twins = await loadTwins()
const rows = []

const mib = 2 ** 20
const key = Buffer.alloc(32, 7)
const random = randomFillSync(Buffer.alloc(16 * mib))
const sources = ['src/repo/content/store.ts', 'src/repo/object/writer.ts', 'src/repo/blob/storage.ts', 'src/base/native-addon.ts']
const text = repeated(Buffer.concat(sources.map((name) => readFileSync(join(root, name)))), 4 * mib)
const large = random.subarray(0, 4 * mib)
const small = Array.from({ length: 256 }, (_, i) => random.subarray(i * 4096, (i + 1) * 4096))

/** Text that repeats itself, but not as a whole. */
function repeated(piece, sizeBytes) {
  const out = Buffer.alloc(sizeBytes)
  for (let at = 0; at < sizeBytes; at += piece.length) {
    const copied = piece.copy(out, at)
    for (let i = 0; i < copied; i += 61) out[at + i] = 33 + ((at + i * 7) % 90)
  }
  return out
}

async function loadTwins() {
  const bundle = await rolldown({
    input: join(root, 'bench/micro-twins.ts'),
    platform: 'node',
    cwd: root,
    external: ['zstd-napi', /\.node$/],
  })
  await bundle.write({ dir: scratch, format: 'esm', entryFileNames: 'twins.mjs', chunkFileNames: '[name]-[hash].mjs' })
  await bundle.close()
  process.env.KURA_NATIVE = '0'
  return import(join(scratch, 'twins.mjs'))
}

/** Bytes (or whatever is counted) per second of CPU time, the best of three. */
async function rate(amount, work) {
  await work()
  let best = 0
  for (let round = 0; round < 3; round++) {
    const start = process.cpuUsage()
    let done = 0
    let spent = 0
    while (spent < (Number(values.seconds) * 1e6) / 3) {
      await work()
      done += amount
      const { user, system } = process.cpuUsage(start)
      spent = user + system
    }
    best = Math.max(best, done / (spent / 1e6))
  }
  return best
}

/** One function: on each code path, its twin, and something to hold it against: [name, rate]. */
async function compare(name, amount, native, twin, reference, unit = 'GB/s') {
  if (!name.includes(values.only)) return
  const scale = unit === 'GB/s' ? 1e9 : 1e6
  const row = { name, unit, paths: {} }
  for (const cpu of addon.cpus) {
    const before = addon.useCpu(cpu)
    row.paths[cpu] = (await rate(amount, native)) / scale
    addon.useCpu(before)
  }
  if (twin) row.twin = (await rate(amount, twin)) / scale
  const held = reference && (await reference())
  if (held) row.reference = { name: held[0], rate: held[1] / scale }
  rows.push(row)
  const figure = (value) => (value === undefined ? '' : value.toFixed(2)).padStart(8)
  const best = row.paths[addon.cpus.at(-1)]
  const ratio = row.twin ? `${(best / row.twin).toFixed(1)} × twin` : ''
  const beside = row.reference ? `${row.reference.name} ${row.reference.rate.toFixed(2)} (${(best / row.reference.rate).toFixed(2)} ×)` : ''
  console.log(
    name.padEnd(34) + unit.padEnd(6) + addon.cpus.map((c) => figure(row.paths[c])).join('') + figure(row.twin),
    ` ${ratio.padEnd(14)}${beside}`,
  )
}

/** What `openssl speed` gives for an algorithm and a size of message; undefined where it is missing. */
const opensslSpeed = (algorithm, sizeBytes) => () => {
  try {
    const args = ['speed', '-mr', '-seconds', '1', '-bytes', String(sizeBytes), '-evp', algorithm]
    const output = execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const found = /^\+F:.*:([\d.]+)$/m.exec(output)
    return found ? [`openssl ${algorithm}`, Number(found[1])] : undefined
  } catch {
    return undefined
  }
}

const copyTarget = Buffer.alloc(large.length)
const memoryCopy = async () => ['copy', await rate(large.length, () => large.copy(copyTarget))]

async function hashes() {
  const likes = {
    'BLAKE2B-256': 'blake2b512',
    'BLAKE2S-256': 'blake2s256',
    'HMAC-SHA256': 'sha256',
    'HMAC-SHA224': 'sha224',
    'HMAC-SHA3-256': 'sha3-256',
    'HMAC-SHA3-224': 'sha3-224',
  }
  for (const name of ['BLAKE2B-256', 'BLAKE2S-256', 'BLAKE3-256', 'HMAC-SHA224', 'HMAC-SHA256', 'HMAC-SHA3-224', 'HMAC-SHA3-256']) {
    const twin = await twins.createTwinHasher(name, key)
    const out = Buffer.alloc(32 * small.length)
    const like = likes[name]
    await compare(
      `${name}, 4 MiB`,
      large.length,
      () => addon.digest(name, key, large, out),
      () => twin.digest(large),
      like && opensslSpeed(like, mib),
    )
    const eight = Array.from({ length: 8 }, (_, i) => random.subarray(i * mib, (i + 1) * mib))
    const together = () => addon.digestMany(name, key, eight, out)
    await compare(`${name}, 8 × 1 MiB`, 8 * mib, together, () => eight.map((m) => twin.digest(m)), like && opensslSpeed(like, mib))
    const many = () => addon.digestMany(name, key, small, out)
    await compare(
      `${name}, 256 × 4 KiB`,
      small.length * 4096,
      many,
      () => small.map((m) => twin.digest(m)),
      like && opensslSpeed(like, 4096),
    )
  }
}

async function splitters() {
  for (const [kind, name] of [
    [0, 'BUZHASH'],
    [1, 'RABINKARP'],
  ]) {
    const twin = kind === 0 ? twins.findBuzhashCut : twins.findRabinKarpCut
    const walk = (find) => () => {
      for (let at = 0; at >= 0; ) at = find(at)
    }
    const native = walk((at) => addon.findCut(kind, mib, random, at, at))
    await compare(
      `cuts by ${name}, 1 MiB`,
      random.length,
      native,
      walk((at) => (random.length - at < mib / 2 ? -1 : twin(mib, random, at, at))),
      memoryCopy,
    )
  }
}

async function ciphers() {
  for (const [number, name, like] of [
    [0, 'AES256-GCM-HMAC-SHA256', 'aes-256-gcm'],
    [1, 'CHACHA20-POLY1305-HMAC-SHA256', 'chacha20-poly1305'],
  ]) {
    const identity = Buffer.alloc(16, 3)
    const twin = twins.createCipher({ encryption: name, masterKey: key, ecc: '', eccOverheadPercent: 0 })
    for (const [what, plains] of [
      ['4 MiB', [large]],
      ['256 × 4 KiB', small],
    ]) {
      const bytes = plains.reduce((sum, p) => sum + p.length, 0)
      const identities = plains.map(() => identity)
      const out = Buffer.alloc(bytes + 28 * plains.length)
      const short = name.split('-HMAC')[0]
      const seal = () => addon.sealMany(number, key, plains, identities, out)
      const reference = opensslSpeed(like, plains[0].length === 4096 ? 4096 : mib)
      await compare(`seal ${short}, ${what}`, bytes, seal, () => plains.map((p) => twin.seal(p, identity)), reference)
      const sealed = plains.map((p) => twin.seal(p, identity))
      const own = await addon.sealMany(number, key, plains, identities)
      const into = Buffer.alloc(plains[0].length)
      const open = async () => {
        for (const each of own) await addon.open(number, key, each, identity, into)
      }
      await compare(`open ${short}, ${what}`, bytes, open, () => sealed.map((s) => twin.open(s, identity)), reference)
    }
  }
}

async function compressors() {
  for (const level of [1, 3]) {
    if (!addon.zstd) break
    const packed = await addon.zstd.compress(text, level)
    await compare(
      `zstd ${level}, text`,
      text.length,
      () => addon.zstd.compress(text, level),
      () => twins.zstdCompress(text, level),
    )
    const expand = () => addon.zstd.expand(packed, text.length)
    await compare(`zstd ${level}, text, expand`, text.length, expand, () => twins.zstdExpand(packed, text.length), memoryCopy)
  }
  const packed = twins.s2CompressTwin(text)
  await compare(
    's2, text',
    text.length,
    () => addon.s2Compress(text),
    () => twins.s2CompressTwin(text),
  )
  await compare(
    's2, text, expand',
    text.length,
    () => addon.s2Expand(packed, text.length),
    () => twins.s2ExpandTwin(packed, text.length),
    memoryCopy,
  )
  await compare(
    's2, random',
    large.length,
    () => addon.s2Compress(large),
    () => twins.s2CompressTwin(large),
    memoryCopy,
  )
}

async function sums() {
  await compare(
    'CRC-32C',
    large.length,
    () => addon.crc32c(large),
    () => twins.crc32cTwin(large),
    memoryCopy,
  )
  for (const [parity, data, shard] of [
    [2, 164, 512],
    [56, 128, 64],
  ]) {
    const matrix = random.subarray(0, parity * data)
    const blocks = Math.ceil(mib / (data * shard))
    const shards = random.subarray(0, data * shard)
    const out = Buffer.alloc(parity * shard)
    const times = (multiply) => () => {
      for (let i = 0; i < blocks; i++) multiply(matrix, parity, data, shards, shard, out)
    }
    await compare(
      `Reed-Solomon ${data} + ${parity} of ${shard}`,
      blocks * data * shard,
      times(addon.galoisMultiply),
      times(twins.galoisMultiplyTwin),
      memoryCopy,
    )
  }
}

async function indexes() {
  const count = 200_000
  const info = {
    packBlob: 'p1',
    packOffset: 0,
    packedLength: 100,
    originalLength: 72,
    timestampSeconds: 1_700_000_000,
    deleted: false,
    compressionHeader: 0,
    formatVersion: 3,
    encryptionKeyId: 0,
  }
  const ids = Array.from({ length: count }, (_, i) => random.toString('hex', i * 16, i * 16 + 16))
  const [bytes] = twins.buildIndex(
    ids.map((id) => ({ ...info, id })),
    2,
  )
  const file = twins.parseIndex(bytes, 28)
  const asked = 10_000
  const keys = Buffer.concat(ids.slice(0, asked).map((id) => Buffer.from(`00${id}`, 'hex')))
  const found = new Int32Array(asked)
  const { start, stride } = file.place
  await compare(
    'index search',
    asked,
    () => addon.findRows(bytes, start, stride, count, 17, keys, found),
    () => file.findManyTwin(keys, found),
    undefined,
    'M/s',
  )
  const path = join(scratch, 'index')
  writeFileSync(path, bytes)
  await compare(
    'map an index file',
    1,
    () => addon.mapFile(Buffer.from(path), 1),
    () => readFileSync(path),
    undefined,
    'M/s',
  )
}

console.log(`${'per second of CPU time'.padEnd(40)}${[...addon.cpus, 'twin'].map((c) => c.padStart(8)).join('')}`)
try {
  for (const part of [hashes, splitters, ciphers, compressors, sums, indexes]) await part()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
const results = { node: process.versions.node, arch: process.arch, cpu: addon.cpus.at(-1), rows }
if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
console.log(`\n${saveResults('micro', results)}`)
