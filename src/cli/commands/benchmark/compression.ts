import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, type Flag, type ValuesOf } from '#cli/flag.ts'
import type { CompressorType } from '#repo/compression/compressor.ts'
import { timesPerSecond } from './timing.ts'

const flags = [
  { name: 'repeat', type: 'int', default: '0' },
  { name: 'data-file', type: 'existingFile', required: true },
  { name: 'by-size', type: 'bool' },
  { name: 'by-alloc', type: 'bool' },
  { name: 'parallel', type: 'int', default: '1' },
  { name: 'operations', type: 'enum', values: ['compress', 'decompress', 'both'], default: 'both' },
  { name: 'verify-stable', type: 'bool' },
  { name: 'print-options', type: 'bool' },
  { name: 'deprecated', type: 'bool' },
  { name: 'algorithms', type: 'string' },
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof flags)[number]>

/** Longer files are measured by their beginning. */
const maxDataBytes = 32_000_000
/** Without --repeat, about so much is compressed by each method. */
const wantedBytes = 64_000_000

interface Result {
  readonly name: string
  readonly size: number
  readonly bytesPerSecond: number
}

export const compression = defineCommand({
  flags,
  async run(c, values) {
    const data = beginningOf(values['data-file'])
    if (data.length === 0) throw new CommandError(`${values['data-file']} is empty: there is nothing to compress`)
    const compressors = await chosen(values)
    const repeat = values.repeat || Math.max(1, Math.floor(wantedBytes / data.length))
    c.log.info(`Will repeat each benchmark ${repeat} times per compression method. Override with --repeat=N.`)
    c.log.info(
      `Compressing input file "${values['data-file']}" (${c.sizes.bytes(data.length)}) using ${compressors.length} compression methods.`,
    )
    const packed = new Map<string, Buffer>()
    const compress: Result[] = []
    for (const type of compressors) {
      c.log.info(`Benchmarking compressor '${type.name}'...`)
      const first = await type.compress(data)
      packed.set(type.name, first)
      if (values['verify-stable']) await verifyStable(type, data, first)
      if (values.operations === 'decompress') continue
      const rate = await timesPerSecond(repeat, values.parallel, () => type.compress(data))
      compress.push({ name: type.name, size: first.length, bytesPerSecond: rate * data.length })
    }
    if (values.operations !== 'decompress') printResults(c, 'Compression', compress, values)
    if (values.operations === 'compress') return
    const expand: Result[] = []
    for (const type of compressors) {
      const stream = packed.get(type.name) as Buffer
      const rate = await timesPerSecond(repeat, values.parallel, () => type.expand(stream, data.length))
      expand.push({ name: type.name, size: stream.length, bytesPerSecond: rate * data.length })
    }
    printResults(c, 'Decompression', expand, values)
  },
})

function beginningOf(path: string): Buffer {
  const fd = openSync(path, 'r')
  try {
    const data = Buffer.alloc(maxDataBytes)
    return data.subarray(0, readSync(fd, data, 0, data.length, 0))
  } catch (error) {
    // Pipes and the like cannot be read at a position.
    if ((error as NodeJS.ErrnoException).code === 'ESPIPE') return readFileSync(fd).subarray(0, maxDataBytes)
    throw error
  } finally {
    closeSync(fd)
  }
}

/** Those whose names begin with one of `--algorithms`. Ones that can only be read are left out. */
async function chosen(values: Values): Promise<CompressorType[]> {
  const { compressorByName, compressorNames, isSupported } = await import('#repo/compression/registry.ts')
  const wanted = values.algorithms === undefined || values.algorithms === '' ? [''] : values.algorithms.split(',')
  return compressorNames
    .filter((name) => isSupported(name) && wanted.some((prefix) => name.startsWith(prefix)))
    .map((name) => compressorByName(name) as CompressorType)
    .filter((type) => values.deprecated || !type.deprecated)
}

async function verifyStable(type: CompressorType, data: Buffer, first: Buffer): Promise<void> {
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  if (digest(await type.compress(data)) !== digest(first)) throw new CommandError(`${type.name} does not give the same bytes each time`)
}

function printResults(c: CommandContext, title: string, results: Result[], values: Values): void {
  const order = values['by-size']
    ? (a: Result, b: Result) => a.size - b.size
    : (a: Result, b: Result) => b.bytesPerSecond - a.bytesPerSecond
  c.io.out(`     ${title.padEnd(26)} ${'Compressed'.padEnd(12)} Throughput`)
  c.io.out('-'.repeat(96))
  for (const [i, { name, size, bytesPerSecond }] of results.sort(order).entries()) {
    const option = values['print-options'] ? `, --compression=${name}` : ''
    c.io.out(`${String(i).padStart(3)}. ${name.padEnd(26)} ${c.sizes.bytes(size).padEnd(12)} ${c.sizes.speed(bytesPerSecond)}${option}`)
  }
}
