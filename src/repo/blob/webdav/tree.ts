import { randomBytes } from 'node:crypto'
import { StorageError, TransientStorageError, UnsupportedOptionError } from '../errors.ts'
import { type FileTree, type TreeEntry, TreeFileExistsError, type TreeWriteOptions } from '../file-tree.ts'
import type { HttpReply } from '../http/client.ts'
import { wrongLength } from '../http/failure.ts'
import type { ByteRange } from '../storage.ts'
import { patient } from '../wrap/patient.ts'
import { DavClient } from './client.ts'
import { type DavEntry, parseMultistatus, propfindBody } from './multistatus.ts'
import type { WebdavOptions } from './options.ts'

/** Files below a URL of a WebDAV server. Source: spec 04, 4.3.8. */
export class WebdavTree implements FileTree {
  readonly #client: DavClient
  readonly #making = new Map<string, Promise<void>>()

  constructor(private readonly options: WebdavOptions) {
    this.#client = new DavClient(options)
  }

  /** Makes the root if it is missing; the folder that it lies in must exist. */
  async makeRoot(): Promise<void> {
    if (!(await this.list(''))) await this.makeFolder('')
  }

  async read(path: string, range?: ByteRange): Promise<Buffer | undefined> {
    const last = range ? range.offset + range.length - 1 : 0
    const request = { method: 'GET', path, ...(range ? { headers: { Range: `bytes=${range.offset}-${last}` } } : {}) }
    const reply = await this.#client.send(request)
    if (reply.status === 404 || reply.status === 410) return undefined
    if (reply.status === 416) return Buffer.alloc(0)
    if (reply.status === 206 && range) return this.checkedPart(path, reply, range)
    if (reply.status !== 200) throw this.#client.failure(request, reply)
    // A server without ranges sends everything.
    return range ? reply.body.subarray(range.offset, range.offset + range.length) : reply.body
  }

  async stat(path: string): Promise<TreeEntry | undefined> {
    return (await this.propfind(path, '0'))?.[0]
  }

  async list(folder: string): Promise<readonly TreeEntry[] | undefined> {
    const path = folder === '' ? '' : `${folder}/`
    const entries = await this.propfind(path, '1')
    const own = decodeURIComponent(this.#client.urlOf(path).pathname).replace(/\/+$/, '')
    return entries?.filter((entry) => entry.path !== own)
  }

  async write(path: string, parts: readonly Uint8Array[], options: TreeWriteOptions): Promise<{ sizeBytes: number; modifiedMs: number }> {
    if (options.modifiedMs !== undefined) throw new UnsupportedOptionError('webdav', 'modification times')
    const direct = this.options.atomicWrites && !options.exclusive
    const number = BigInt.asUintN(63, randomBytes(8).readBigUInt64BE())
    const written = direct ? path : `${path}-${number}`
    let reply = await this.put(written, parts)
    if (!direct) {
      try {
        reply = await this.move(written, path, options.exclusive === true)
      } catch (error) {
        await this.remove(written).catch(() => undefined)
        throw error
      }
    }
    const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0)
    const modifiedMs = Date.parse(reply.headers.date ?? '') || (await this.stat(path))?.modifiedMs || Date.now()
    return { sizeBytes, modifiedMs }
  }

  async remove(path: string): Promise<void> {
    const request = { method: 'DELETE', path }
    const reply = await this.#client.send(request)
    if (!isSuccess(reply) && reply.status !== 404 && reply.status !== 410) throw this.#client.failure(request, reply)
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  private checkedPart(path: string, reply: HttpReply, range: ByteRange): Buffer {
    const start = /^bytes (\d+)-/.exec(String(reply.headers['content-range'] ?? ''))?.[1]
    if (Number(start) !== range.offset || reply.body.length > range.length)
      throw new StorageError(`GET of ${this.#client.urlOf(path).href}: the server sent other bytes than those asked for`)
    const short = reply.body.length < range.length && wrongLength(path, range, reply.body.length, reply.headers['content-range'])
    if (short instanceof TransientStorageError) throw short
    return reply.body
  }

  private async propfind(path: string, depth: '0' | '1'): Promise<DavEntry[] | undefined> {
    const headers = { Depth: depth, 'Content-Type': 'application/xml; charset=utf-8' }
    const request = { method: 'PROPFIND', path, headers, body: [propfindBody] }
    const reply = await this.#client.send(request)
    if (reply.status === 404 || reply.status === 410) return undefined
    if (reply.status !== 207) throw this.#client.failure(request, reply)
    return parseMultistatus(reply.body, `PROPFIND of ${this.#client.urlOf(path).href}`)
  }

  /** Writes a file; servers answer in several ways that its folder is missing. */
  private async put(path: string, parts: readonly Uint8Array[]): Promise<HttpReply> {
    const request = { method: 'PUT', path, headers: { 'Content-Type': 'application/octet-stream' }, body: parts }
    const first = await this.#client.send(request)
    if (isSuccess(first)) return first
    const folder = path.split('/').slice(0, -1)
    if (first.status === 507) throw this.#client.failure(request, first)
    if (folder.length === 0) await this.makeFolder('')
    for (let depth = 1; depth <= folder.length; depth++) await this.makeFolder(`${folder.slice(0, depth).join('/')}/`)
    const second = await this.#client.send(request)
    if (!isSuccess(second)) throw this.#client.failure(request, second)
    return second
  }

  /** Makes a folder, once for all who want it at the same time: some servers lock others out. */
  private makeFolder(path: string): Promise<void> {
    const make = () => patient(`making the folder ${path}`, () => this.makeOne(path)).finally(() => this.#making.delete(path))
    const made = this.#making.get(path) ?? make()
    this.#making.set(path, made)
    return made
  }

  private async makeOne(path: string): Promise<void> {
    const request = { method: 'MKCOL', path }
    let reply = await this.#client.send(request)
    if (path !== '' && (reply.status === 409 || reply.status === 404)) {
      await this.makeFolder('')
      reply = await this.#client.send(request)
    }
    if (!isSuccess(reply) && reply.status !== 405) throw this.#client.failure(request, reply)
  }

  /** Moves a file that nobody else knows of, also over a bad line: what is gone after a try that failed was moved by that try. */
  private move(from: string, to: string, exclusive: boolean): Promise<HttpReply> {
    const headers = { Destination: this.#client.urlOf(to).href, Overwrite: exclusive ? 'F' : 'T' }
    const request = { method: 'MOVE', path: from, headers }
    let tries = 0
    return patient(`moving ${from}`, async () => {
      const isFirst = tries++ === 0
      const reply = await this.#client.send(request)
      if (reply.status === 404 && !isFirst) return reply
      if (exclusive && reply.status === 412) throw new TreeFileExistsError(to)
      // 207 names parts that failed.
      if (!isSuccess(reply) || reply.status === 207) throw this.#client.failure(request, reply)
      return reply
    })
  }
}

const isSuccess = (reply: HttpReply): boolean => reply.status >= 200 && reply.status < 300
