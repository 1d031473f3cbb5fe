import { type FakeReply, type FakeRequest, type FakeService, fakeService, ranged } from '../../../support/fake-service.ts'

interface File {
  readonly id: string
  name: string
  mimeType: string
  modifiedTime: string
  parents: readonly string[]
  data: Buffer
  trashed: boolean
  /** Not in listings yet. */
  hidden: boolean
}

export interface FakeDrive extends FakeService {
  /** New files are not listed, as on the real one for a while. */
  lag: boolean
  /** What uploads are answered instead of being taken. */
  failUploads: FakeReply | undefined
  /** A file put there by somebody else. */
  add(name: string, data: string): void
}

const refuse = (status: number, message: string): FakeReply => ({ status, json: { error: { code: status, message } } })
const shown = ({ id, name, mimeType, modifiedTime, data }: File) => ({ id, name, mimeType, modifiedTime, size: String(data.length) })
const unquote = (text: string) => text.replace(/\\(['\\])/g, '$1')

/** Google Drive's interface, version 3, as far as it is used, from its documentation. Folder `folder1`; `limit`: the quota, 0 = none. */
export async function fakeDrive(limit = 0): Promise<FakeDrive> {
  const files: File[] = []
  const sessions = new Map<string, { file: File; fresh: boolean }>()
  let count = 0

  function matches(file: File, q: string): boolean {
    const is = /name = '((?:[^'\\]|\\.)*)'/.exec(q)?.[1]
    const begins = /name contains '((?:[^'\\]|\\.)*)'/.exec(q)?.[1]
    const folder = /'([^']*)' in parents/.exec(q)?.[1] ?? ''
    const mime = /mimeType = '([^']*)'/.exec(q)?.[1]
    if (file.trashed || file.hidden || !file.parents.includes(folder) || file.mimeType !== mime) return false
    return (is === undefined || file.name === unquote(is)) && (begins === undefined || file.name.startsWith(unquote(begins)))
  }

  function list(query: URLSearchParams): FakeReply {
    const found = files.filter((file) => matches(file, query.get('q') ?? ''))
    const [at, size] = [Number(query.get('pageToken') ?? 0), Math.min(Number(query.get('pageSize')), 100)]
    const next = at + size < found.length ? { nextPageToken: String(at + size) } : {}
    return { json: { files: found.slice(at, at + size).map(shown), ...next } }
  }

  function begin(request: FakeRequest, id: string | undefined): FakeReply {
    const resource = JSON.parse(request.body.toString()) as Partial<File>
    const old = files.find((file) => file.id === id)
    if (id && !old) return refuse(404, 'File not found')
    const empty = {
      id: `file${count++}`,
      name: '',
      mimeType: '',
      modifiedTime: '',
      parents: [],
      data: Buffer.alloc(0),
      trashed: false,
      hidden: service.lag,
    }
    const file = Object.assign(old ?? empty, { modifiedTime: new Date().toISOString() }, resource)
    const session = `s${count++}`
    sessions.set(session, { file, fresh: !old })
    return { headers: { Location: `${service.url}/session?upload_id=${session}` } }
  }

  function finish(request: FakeRequest): FakeReply {
    const session = sessions.get(request.query.get('upload_id') ?? '')
    if (!session) return refuse(404, 'no such upload')
    session.file.data = request.body
    if (session.fresh) files.push(session.file)
    return { json: shown(session.file) }
  }

  function one(request: FakeRequest, id: string): FakeReply {
    const at = files.findIndex((file) => file.id === id)
    const file = files[at]
    if (!file) return refuse(404, 'File not found')
    if (request.method === 'DELETE') {
      files.splice(at, 1)
      return { status: 204 }
    }
    return request.query.get('alt') === 'media' ? ranged(file.data, request.headers.range) : { json: shown(file) }
  }

  const made = await fakeService((request) => {
    if (request.path === '/session') return finish(request)
    if (request.headers.authorization !== 'Bearer good') return refuse(401, 'Invalid Credentials')
    if (request.path === '/drive/v3/about') return { json: { storageQuota: { ...(limit ? { limit: String(limit) } : {}), usage: '1000' } } }
    if (request.query.get('supportsAllDrives') !== 'true') return refuse(400, 'shared drives must be supported')
    const [, upload, id] = /^(\/upload)?\/drive\/v3\/files(?:\/(.+))?$/.exec(request.path) ?? []
    if (upload) return service.failUploads ?? begin(request, id)
    return id ? one(request, id) : list(request.query)
  })
  const service: FakeDrive = Object.assign(made, {
    lag: false,
    failUploads: undefined,
    add(name: string, data: string) {
      const common = {
        mimeType: 'application/x-kopia',
        modifiedTime: new Date().toISOString(),
        parents: ['folder1'],
        trashed: false,
        hidden: false,
      }
      files.push({ id: `file${count++}`, name, data: Buffer.from(data), ...common })
    },
  })
  return service
}
