import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { listen } from '#cli/observe/listener.ts'
import { encodePprof } from '#cli/observe/pprof.ts'
import { runLine } from '#cli/run.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { CapturedIo } from '../captured-io.ts'

const scratch = scratchFolders()
let server: Server
let pushes: { method: string; url: string; type: string; login: string; body: string }[]
let answer: number

beforeEach(async () => {
  pushes = []
  answer = 200
  server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const body = Buffer.concat(parts).toString('latin1')
      pushes.push({ method, url, type: headers['content-type'] ?? '', login: headers.authorization ?? '', body })
      response.writeHead(answer).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve))
})

const portOf = (of: Server): number => (of.address() as AddressInfo).port

async function kura(...words: string[]) {
  const io = new CapturedIo()
  const status = await runLine([...words, '--disable-file-logging'], { io, env: {} })
  return { status, out: io.output, err: io.errors }
}

describe('metrics are pushed', () => {
  const push = (...words: string[]) =>
    kura('doctor', `--metrics-push-addr=http://127.0.0.1:${portOf(server)}`, '--metrics-push-interval=1h', ...words)

  test('at the start and at the end, all series in both', async () => {
    expect(await push()).toMatchObject({ status: 0, err: '' })
    expect(pushes.map(({ method, url }) => `${method} ${url}`)).toEqual(['PUT /metrics/job/kopia', 'PUT /metrics/job/kopia'])
    for (const { body, type } of pushes) {
      expect(body).toContain('kopia_cache_hit_bytes_total{cache="contents"}')
      expect(body).toContain('process_cpu_user_seconds_total')
      expect(type).toBe('text/plain; version=0.0.4; charset=utf-8')
    }
  })

  test('with a grouping, a job, a login and a format', async () => {
    const login = ['--metrics-push-username=ann', '--metrics-push-password=secret']
    const run = await push('--metrics-push-grouping=a:b', '--metrics-push-job=nightly', '--metrics-push-format=proto-delim', ...login)
    expect(run).toMatchObject({ status: 0, err: '' })
    expect(pushes[1]).toMatchObject({ url: '/metrics/job/nightly/a/b', login: `Basic ${Buffer.from('ann:secret').toString('base64')}` })
    expect(pushes[1]?.body).toContain('kopia_cache_hit_bytes_total')
  })

  test('and a failure is one warning that does not tell the password', async () => {
    answer = 401
    const run = await push('--metrics-push-username=ann', '--metrics-push-password=secret')
    expect(run.status).toBe(0)
    expect(run.err).toBe(`cannot push metrics to 127.0.0.1:${portOf(server)}: it answers with status 401\n`)
  })

  test.each([
    [['--metrics-push-grouping=abc'], 'grouping must be name:value'],
    [['--metrics-push-format=xml'], 'enum value must be one of'],
    [['--metrics-listen-addr=nowhere'], 'it must be host:port'],
    [['--profile-cpu', '--diagnostics-output-directory='], 'writing diagnostics output requires a non-empty directory name'],
  ])('%j is a usage error', async (words, message) => {
    const run = await push(...words)
    expect(run.status).toBe(1)
    expect(run.err).toContain(message)
  })
})

describe('metrics are served', () => {
  test('as text, or as OpenMetrics to who asks for it; profiles only where they are enabled', async () => {
    const listener = await listen('127.0.0.1:0', false, ['mount'])
    const at = `http://127.0.0.1:${portOf(listener)}`
    const plain = await fetch(`${at}/metrics`)
    expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await plain.text()).toContain('kopia_blob_upload_bytes_total')
    const open = await fetch(`${at}/metrics`, { headers: { Accept: 'application/openmetrics-text' } })
    expect(await open.text()).toMatch(/# EOF\n$/)
    expect((await fetch(`${at}/debug/pprof/`)).status).toBe(404)
    expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).toBe(405)
    listener.close()
  })

  test('beside profiles', async () => {
    const listener = await listen('127.0.0.1:0', true, ['snapshot', 'create'])
    const at = `http://127.0.0.1:${portOf(listener)}/debug/pprof`
    expect(await (await fetch(`${at}/`)).text()).toContain('heap')
    expect(await (await fetch(`${at}/cmdline`)).text()).toBe('kura\0snapshot\0create')
    for (const kind of ['profile?seconds=0.1', 'heap', 'goroutine']) {
      const bytes = Buffer.from(await (await fetch(`${at}/${kind}`)).arrayBuffer())
      expect(gunzipSync(bytes).length, kind).toBeGreaterThan(20)
    }
    expect((await fetch(`${at}/profile?seconds=1e9`)).status).toBe(400)
    expect((await fetch(`${at}/nothing`)).status).toBe(404)
    listener.close()
  })

  test('while the command runs, and not after', async () => {
    const taken = portOf(server)
    const run = await kura('doctor', `--metrics-listen-addr=127.0.0.1:${taken}`)
    expect(run.status).toBe(1)
    expect(run.err).toContain(`cannot serve metrics at 127.0.0.1:${taken}`)
  })
})

describe('files of diagnostics', () => {
  const folderOf = (place: string): string => join(place, readdirSync(place)[0] as string)

  test('are written where they are asked for, each a profile that can be read', async () => {
    const place = join(scratch(), 'diagnostics')
    const run = await kura(
      ...['doctor', `--diagnostics-output-directory=${place}`, '--metrics-store-on-exit', '--profile-cpu', '--profile-store-on-exit'],
      ...['--profile-memory-rate=1024', '--profile-blocking-rate=1', '--profile-mutex-fraction=1', '--profile-go-gc-before-dump'],
    )
    expect(run).toMatchObject({ status: 0, err: '' })
    const folder = folderOf(place)
    expect(folder).toMatch(/\/\d{8}-\d{6}-doctor$/)
    expect(statSync(place).mode & 0o777).toBe(0o700)
    expect(readFileSync(join(folder, 'kopia-metrics.prom'), 'utf8')).toContain('kopia_content_write_bytes_total')
    const kinds = ['allocs', 'block', 'cpu', 'goroutine', 'heap', 'mutex', 'threadcreate']
    expect(readdirSync(join(folder, 'profiles')).sort()).toEqual(kinds.map((kind) => `${kind}.pprof`))
    const strings = (kind: string) => gunzipSync(readFileSync(join(folder, 'profiles', `${kind}.pprof`))).toString('latin1')
    expect(strings('cpu')).toContain('nanoseconds')
    expect(strings('allocs')).toContain('alloc_space')
    expect(strings('heap')).toContain('old_space')
  })

  test.each([
    ['--profile-cpu', ['profiles/cpu.pprof'], ['profiles/heap.pprof', 'kopia-metrics.prom']],
    ['--profile-store-on-exit', ['profiles/heap.pprof'], ['profiles/cpu.pprof', 'kopia-metrics.prom']],
    ['--metrics-store-on-exit', ['kopia-metrics.prom'], ['profiles']],
  ])('%s writes only its own', async (flag, wanted, others) => {
    const place = scratch()
    await kura('doctor', `--diagnostics-output-directory=${place}`, flag)
    for (const name of wanted) expect(existsSync(join(folderOf(place), name)), name).toBe(true)
    for (const name of others) expect(existsSync(join(folderOf(place), name)), name).toBe(false)
  })

  test('are not written by a rate alone', async () => {
    const place = join(scratch(), 'none')
    await kura('doctor', `--diagnostics-output-directory=${place}`, '--profile-memory-rate=1000')
    expect(existsSync(place)).toBe(false)
  })
})

test('a profile holds each name once and each stack from the inside out', () => {
  const inner = { name: 'inner', file: 'a.js', line: 2 }
  const outer = { name: 'outer', file: 'a.js', line: 9 }
  const bytes = gunzipSync(
    encodePprof({
      valueTypes: [['samples', 'count']],
      samples: [
        { stack: [inner, outer], values: [5] },
        { stack: [outer], values: [300] },
      ],
      startMs: 1,
      durationMs: 2,
    }),
  )
  const hex = bytes.toString('hex')
  // sample_type: type 1 "samples", unit 2 "count"; samples with locations 1, 2 and 2 alone.
  expect(hex.startsWith('0a0408011002')).toBe(true)
  expect(hex).toContain('12070a020102120105')
  expect(hex).toContain('12070a0102' + '1202ac02')
  expect(bytes.toString('latin1').split('a.js')).toHaveLength(2)
})
