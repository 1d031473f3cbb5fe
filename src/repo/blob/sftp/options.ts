import { isAbsolute } from 'node:path'
import { UsageError } from '#base/errors.ts'
import { booleanOf, type JsonObject, memberOf, numberOf, stringOf } from '#base/json-read.ts'
import { formatSharded, parseSharded, type ShardedOptions } from '../sharded-options.ts'

/** `config` of an `sftp` ConnectionInfo (spec 04, 4.3.7). Empty strings = not given. */
export interface SftpOptions extends ShardedOptions {
  /** On the server. */
  readonly path: string
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: string
  readonly keyfile: string
  readonly keyData: string
  readonly knownHostsFile: string
  readonly knownHostsData: string
  readonly externalSsh: boolean
  readonly sshCommand: string
  readonly sshArguments: string
}

const texts = ['path', 'host', 'username', 'password', 'keyfile', 'keyData', 'knownHostsFile', 'knownHostsData'] as const
const names = [...texts, 'port', 'externalSSH', 'sshCommand', 'sshArguments']

/** Checks the `config` member of a ConnectionInfo. Throws UsageError. */
export function parseSftpOptions(json: unknown): SftpOptions {
  const options = parseSharded(json, 'the sftp storage configuration', names, (config, what) => {
    const text = Object.fromEntries(texts.map((name) => [name, stringOf(config, name, what)])) as Record<(typeof texts)[number], string>
    return {
      ...text,
      port: numberOf(config, 'port', what) || 22,
      externalSsh: booleanOf(config, 'externalSSH', what),
      sshCommand: stringOf(config, 'sshCommand', what),
      sshArguments: Array.isArray(memberOf(config, 'sshArguments')) ? '' : stringOf(config, 'sshArguments', what),
    }
  })
  if (options.path === '' || options.host === '' || options.username === '')
    throw new UsageError('an sftp storage needs "path", "host" and "username"')
  for (const file of [options.keyfile, options.knownHostsFile])
    if (file !== '' && !isAbsolute(file)) throw new UsageError(`the path "${file}" of an sftp storage must be absolute`)
  return options
}

/** The same options as JSON, keys in Kopia's order. */
export function formatSftpOptions(o: SftpOptions): JsonObject {
  const some = (name: string, value: string): JsonObject => (value === '' ? {} : { [name]: value })
  return {
    path: o.path,
    host: o.host,
    port: o.port,
    username: o.username,
    password: o.password,
    ...some('keyfile', o.keyfile),
    ...some('keyData', o.keyData),
    ...some('knownHostsFile', o.knownHostsFile),
    ...some('knownHostsData', o.knownHostsData),
    externalSSH: o.externalSsh,
    ...some('sshCommand', o.sshCommand),
    ...some('sshArguments', o.sshArguments),
    ...formatSharded(o),
  }
}
