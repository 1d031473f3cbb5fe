import { UsageError } from '#base/errors.ts'
import { defineStorage } from './provider.ts'
import { shardedConfig, shardedFlags } from './sharded-flags.ts'

/** A folder of a WebDAV server (spec 04, 4.3.8). */
export const webdavStorage = defineStorage({
  type: 'webdav',
  flags: [
    { name: 'url', type: 'string', required: true, describe: 'URL of the folder' },
    { name: 'webdav-username', type: 'string', env: 'KOPIA_WEBDAV_USERNAME', describe: 'User on the server' },
    { name: 'webdav-password', type: 'string', env: 'KOPIA_WEBDAV_PASSWORD', describe: 'Password on the server' },
    { name: 'atomic-writes', type: 'bool', describe: 'The server replaces files in one step: use no temporary names' },
    ...shardedFlags,
  ],
  async config(values, request) {
    const { formatWebdavOptions } = await import('#repo/blob/webdav/options.ts')
    if (!/^https?:\/\//i.test(values.url)) throw new UsageError('--url must start with http:// or https://')
    const username = values['webdav-username'] ?? ''
    const given = values['webdav-password'] ?? ''
    const password = username !== '' && given === '' ? await request.context.io.askSecret('Enter WebDAV password: ') : given
    return formatWebdavOptions({
      url: values.url,
      username,
      password,
      trustedServerCertificateFingerprint: '',
      atomicWrites: values['atomic-writes'],
      ...shardedConfig(values, request),
    })
  },
})
