import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { messageOf, UsageError } from '#base/errors.ts'
import { expandHome } from '#base/paths.ts'
import { defineStorage } from './provider.ts'
import { shardedConfig, shardedFlags } from './sharded-flags.ts'

/** A folder on a server that is reached by ssh (spec 04, 4.3.7). */
export const sftpStorage = defineStorage({
  type: 'sftp',
  flags: [
    { name: 'path', type: 'string', required: true, describe: 'Folder on the server' },
    { name: 'host', type: 'string', required: true, describe: 'Host name or address' },
    { name: 'port', type: 'int', default: '22', describe: 'Port of the ssh server' },
    { name: 'username', type: 'string', required: true, describe: 'User on the server' },
    { name: 'sftp-password', type: 'string', describe: 'Password on the server' },
    { name: 'keyfile', type: 'string', describe: 'File with the private key' },
    { name: 'key-data', type: 'string', describe: 'The private key itself' },
    { name: 'known-hosts', type: 'string', describe: 'File with the keys of known hosts' },
    { name: 'known-hosts-data', type: 'string', describe: 'Lines of such a file' },
    { name: 'embed-credentials', type: 'bool', describe: 'Keep key and known hosts in the configuration, not the paths of their files' },
    { name: 'external', type: 'bool', describe: 'Run the ssh command instead of the built-in client' },
    { name: 'ssh-command', type: 'string', default: 'ssh', describe: 'The ssh command' },
    { name: 'ssh-args', type: 'string', describe: 'Arguments of the ssh command, separated by blanks' },
    ...shardedFlags,
  ],
  async config(values, request) {
    const { formatSftpOptions } = await import('#repo/blob/sftp/options.ts')
    const absolute = (path: string | undefined): string => (path ? resolve(expandHome(path)) : '')
    const given = {
      keyfile: absolute(values.keyfile),
      keyData: values['key-data'] ?? '',
      knownHostsFile: absolute(values['known-hosts']),
      knownHostsData: values['known-hosts-data'] ?? '',
    }
    if (!values.external) requireTrust(given, values['sftp-password'] ?? '')
    return formatSftpOptions({
      path: values.path,
      host: values.host,
      port: values.port,
      username: values.username,
      password: values['sftp-password'] ?? '',
      ...(values['embed-credentials'] ? embedded(given) : given),
      externalSsh: values.external,
      sshCommand: values['ssh-command'],
      sshArguments: values['ssh-args'] ?? '',
      ...shardedConfig(values, request),
    })
  },
})

interface Trust {
  readonly keyfile: string
  readonly keyData: string
  readonly knownHostsFile: string
  readonly knownHostsData: string
}

function requireTrust(t: Trust, password: string): void {
  if (password === '' && t.keyfile === '' && t.keyData === '')
    throw new UsageError('one of --sftp-password, --keyfile or --key-data is needed, or --external')
  if (t.knownHostsFile === '' && t.knownHostsData === '') throw new UsageError('one of --known-hosts or --known-hosts-data is needed')
}

/** The same with the texts of the files in place of their paths. */
function embedded(t: Trust): Trust {
  const read = (path: string, flag: string): string => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      throw new UsageError(`cannot embed the file of --${flag}: ${messageOf(error)}`, { cause: error })
    }
  }
  return {
    keyfile: '',
    keyData: t.keyData || (t.keyfile === '' ? '' : read(t.keyfile, 'keyfile')),
    knownHostsFile: '',
    knownHostsData: t.knownHostsData || (t.knownHostsFile === '' ? '' : read(t.knownHostsFile, 'known-hosts')),
  }
}
