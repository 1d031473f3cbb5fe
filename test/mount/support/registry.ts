import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { repositoryRoot } from '../../support/shared.ts'

export interface Registry {
  readonly url: string
  stop(): Promise<void>
}

/** An npm registry on loopback that has the packages of our own `node_modules`, each at the one version that is installed. */
export async function startRegistry(): Promise<Registry> {
  const tarballs = new Map<string, Buffer>()
  const server = createServer((request, response) => {
    const name = decodeURIComponent((request.url ?? '/').slice(1)).replace(/\/-\/tarball\.tgz$/, '')
    const folder = join(repositoryRoot, 'node_modules', name)
    if (name.includes('..') || !existsSync(join(folder, 'package.json'))) {
      response.writeHead(404)
      return void response.end('{}')
    }
    const tarball = tarballs.get(name) ?? pack(folder)
    tarballs.set(name, tarball)
    if (request.url?.endsWith('.tgz') === true) return void response.end(tarball)
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly version: string }
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
    const dist = { tarball: `http://${request.headers.host}/${encodeURIComponent(name)}/-/tarball.tgz`, integrity }
    const { version } = manifest
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, name, dist } } }))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** As npm packs it: everything below `package/`. */
const pack = (folder: string): Buffer =>
  execFileSync('tar', ['-C', folder, '-czf', '-', '--exclude=./node_modules', '--transform=s,^\\.,package,', '.'], { maxBuffer: 1 << 28 })
