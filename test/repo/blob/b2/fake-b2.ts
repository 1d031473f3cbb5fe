import { createHash } from 'node:crypto'
import { type FakeReply, type FakeRequest, type FakeService, fakeService, ranged } from '../../../support/fake-service.ts'

interface File {
  readonly fileId: string
  readonly fileName: string
  readonly action: 'upload' | 'hide'
  readonly data: Buffer
  readonly uploadTimestamp: number
  readonly fileInfo: Readonly<Record<string, string>>
}

export interface FakeB2 extends FakeService {
  /** All tokens given out so far stop to hold. */
  expireTokens(): void
  /** The next answers of this operation. */
  failNext(operation: string, reply: FakeReply): void
}

const refuse = (status: number, code: string, message = ''): FakeReply => ({ status, json: { status, code, message } })
const shown = ({ data, ...file }: File) => ({ ...file, contentLength: data.length })

/** Backblaze's native interface (version 1), as far as it is used, from its documentation. Key `id`/`secret`, bucket `kura-test`. */
export async function fakeB2(): Promise<FakeB2> {
  const versions: File[] = []
  let generation = 1
  const failures = new Map<string, FakeReply>()
  const current = (name: string) => versions.findLast((f) => f.fileName === name)
  const names = () => [...new Set(versions.map((f) => f.fileName))].sort()
  const body = (request: FakeRequest) => JSON.parse(request.body.toString()) as Record<string, string> & { maxFileCount: number }

  const operations: Record<string, (request: FakeRequest) => FakeReply> = {
    b2_list_buckets: (r) => ({
      json: { buckets: body(r)['bucketName'] === 'kura-test' ? [{ bucketId: 'b1', bucketName: 'kura-test' }] : [] },
    }),
    b2_get_upload_url: () => ({
      json: { bucketId: 'b1', uploadUrl: `${service.url}/upload/${generation}`, authorizationToken: `up${generation}` },
    }),
    b2_list_file_names(r) {
      const { startFileName = '', prefix = '', maxFileCount } = body(r)
      const all = names().filter((n) => n >= startFileName && n.startsWith(prefix) && current(n)?.action === 'upload')
      return { json: { files: all.slice(0, maxFileCount).map((n) => shown(current(n) as File)), nextFileName: all[maxFileCount] ?? null } }
    },
    b2_list_file_versions(r) {
      const name = names().find((n) => n >= (body(r)['startFileName'] ?? ''))
      return { json: { files: name === undefined ? [] : [shown(current(name) as File)], nextFileName: null, nextFileId: null } }
    },
    b2_get_file_info(r) {
      const file = versions.find((f) => f.fileId === body(r)['fileId'])
      return file ? { json: shown(file) } : refuse(404, 'not_found')
    },
    b2_hide_file(r) {
      const name = body(r)['fileName'] as string
      if (!current(name)) return refuse(400, 'no_such_file', `File not present: ${name}`)
      if (current(name)?.action === 'hide') return refuse(400, 'already_hidden')
      versions.push({
        fileId: `f${versions.length}`,
        fileName: name,
        action: 'hide',
        data: Buffer.alloc(0),
        uploadTimestamp: Date.now(),
        fileInfo: {},
      })
      return { json: {} }
    },
  }

  function upload(request: FakeRequest): FakeReply {
    const sha1 = createHash('sha1').update(request.body).digest('hex')
    if (request.headers['x-bz-content-sha1'] !== sha1) return refuse(400, 'bad_request', 'Sha1 did not match data received')
    if (request.headers['content-type'] !== 'b2/x-auto' || request.headers['content-length'] === undefined)
      return refuse(400, 'bad_request')
    const fileInfo = Object.fromEntries(
      Object.entries(request.headers).flatMap(([k, v]) =>
        k.startsWith('x-bz-info-') ? [[k.slice(10), decodeURIComponent(String(v))]] : [],
      ),
    )
    const fileName = decodeURIComponent(String(request.headers['x-bz-file-name']))
    const file = {
      fileId: `f${versions.length}`,
      fileName,
      action: 'upload' as const,
      data: request.body,
      uploadTimestamp: Date.now(),
      fileInfo,
    }
    versions.push(file)
    return { json: shown(file) }
  }

  const service = await fakeService((request) => {
    const operation = request.path.startsWith('/b2api/v1/')
      ? request.path.slice(10)
      : request.path.startsWith('/upload/')
        ? 'upload'
        : 'download'
    const failure = failures.get(operation)
    failures.delete(operation)
    if (failure) return failure
    const { authorization } = request.headers
    if (operation === 'b2_authorize_account') {
      if (authorization !== `Basic ${Buffer.from('id:secret').toString('base64')}`) return refuse(401, 'unauthorized')
      return {
        json: {
          accountId: 'a1',
          authorizationToken: `t${generation}`,
          apiUrl: service.url,
          downloadUrl: service.url,
          allowed: { bucketId: null },
        },
      }
    }
    if (authorization !== `${operation === 'upload' ? 'up' : 't'}${generation}`) return refuse(401, 'expired_auth_token')
    if (operation === 'upload') return upload(request)
    if (operation !== 'download') return operations[operation]?.(request) ?? refuse(404, 'unknown')
    const file = current(request.path.replace('/file/kura-test/', '').split('/').map(decodeURIComponent).join('/'))
    if (file?.action !== 'upload') return refuse(404, 'not_found')
    const reply = ranged(file.data, request.headers.range)
    return { ...reply, headers: { 'X-Bz-Content-Sha1': createHash('sha1').update(file.data).digest('hex') } }
  })
  return {
    ...service,
    expireTokens: () => {
      generation++
    },
    failNext: (operation, reply) => void failures.set(operation, reply),
  }
}
