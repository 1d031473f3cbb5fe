import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answering, freePort } from './sshd.ts'

export interface DavServer {
  readonly url: string
  /** Folder that the server shows. */
  readonly root: string
  /** SHA-256 of its certificate, when it speaks TLS. */
  readonly fingerprint: string
  stop(): void
}

export const davUser = 'user'
export const davPassword = 's3cret-of-the-storage'

/** `rclone serve webdav`: Basic, no TLS. */
export async function startRcloneDav(place: string): Promise<DavServer> {
  const port = await freePort()
  const root = join(place, 'root')
  mkdirSync(root)
  const env = { ...process.env, RCLONE_USER: davUser, RCLONE_PASS: davPassword, RCLONE_CONFIG: join(place, 'rclone.conf') }
  const child = spawn('rclone', ['serve', 'webdav', '--addr', `127.0.0.1:${port}`, root], { env, stdio: 'ignore' })
  await answering(port)
  return { url: `http://127.0.0.1:${port}/`, root, fingerprint: '', stop: () => child.kill() }
}

/** lighttpd: Basic or Digest, with a certificate that it signed itself or without. */
export async function startLighttpd(place: string, method: 'basic' | 'digest', tls: boolean): Promise<DavServer> {
  const port = await freePort()
  const root = join(place, 'root')
  const at = (name: string) => join(place, name)
  mkdirSync(root)
  writeFileSync(at('htp'), `${davUser}:${davPassword}\n`)
  writeFileSync(at('htd'), `${davUser}:t:${createHash('md5').update(`${davUser}:t:${davPassword}`).digest('hex')}\n`)
  if (tls) {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', at('key.pem')]
    execFileSync('openssl', ['req', '-x509', ...key, '-out', at('cert.pem'), '-days', '2', ...subject], { stdio: 'ignore' })
  }
  const modules = ['mod_auth', 'mod_authn_file', 'mod_webdav', ...(tls ? ['mod_openssl'] : [])]
  writeFileSync(
    at('lighttpd.conf'),
    `server.modules = ( ${modules.map((m) => `"${m}"`).join(', ')} )
server.document-root = "${root}"
server.bind = "127.0.0.1"
server.port = ${port}
server.errorlog = "${at('error.log')}"
server.upload-dirs = ( "${place}" )
${tls ? `ssl.engine = "enable"\nssl.pemfile = "${at('cert.pem')}"\nssl.privkey = "${at('key.pem')}"` : ''}
auth.backend = "${method === 'basic' ? 'plain' : 'htdigest'}"
auth.backend.plain.userfile = "${at('htp')}"
auth.backend.htdigest.userfile = "${at('htd')}"
auth.require = ( "/" => ( "method" => "${method}", "realm" => "t", "require" => "valid-user" ) )
webdav.activate = "enable"
`,
  )
  const child = spawn('lighttpd', ['-D', '-f', at('lighttpd.conf')], { stdio: 'ignore' })
  await answering(port)
  const fingerprint = tls ? sha256OfPem(readFileSync(at('cert.pem'), 'utf8')) : ''
  return { url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}/`, root, fingerprint, stop: () => child.kill() }
}

function sha256OfPem(pem: string): string {
  const body = pem.replace(/-----[^-]+-----|\s/g, '')
  return createHash('sha256').update(Buffer.from(body, 'base64')).digest('hex')
}
