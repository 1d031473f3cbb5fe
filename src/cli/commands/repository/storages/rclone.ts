import { readFileSync } from 'node:fs'
import { messageOf, UsageError } from '#base/errors.ts'
import { defineStorage } from './provider.ts'
import { shardedConfig, shardedFlags } from './sharded-flags.ts'

/** What the rclone program reaches (spec 04, 4.3.9). */
export const rcloneStorage = defineStorage({
  type: 'rclone',
  flags: [
    { name: 'remote-path', type: 'string', required: true, describe: 'Remote and path, as rclone takes them' },
    { name: 'rclone-exe', type: 'string', describe: 'The rclone program' },
    { name: 'rclone-args', type: 'string', repeated: true, describe: 'Another argument for rclone' },
    { name: 'rclone-env', type: 'string', repeated: true, describe: 'NAME=value; given once, these are all of its environment' },
    { name: 'embed-rclone-config', type: 'existingFile', describe: 'Keep this rclone.conf in the configuration' },
    { name: 'rclone-debug', type: 'bool', hidden: true, describe: 'Print what rclone logs' },
    { name: 'rclone-nowait-for-transfers', type: 'bool', hidden: true, describe: 'Has no effect any more' },
    { name: 'atomic-writes', type: 'bool', default: 'true', describe: 'The remote replaces files in one step: use no temporary names' },
    { name: 'rclone-startup-timeout', type: 'duration', default: '15s', describe: 'How long rclone may take to start' },
    ...shardedFlags,
  ],
  async config(values, request) {
    const { formatRcloneOptions } = await import('#repo/blob/rclone/options.ts')
    request.context.log.warning('The rclone storage depends on a program that is not ours: test that you can restore.')
    return formatRcloneOptions({
      remotePath: values['remote-path'],
      rcloneExe: values['rclone-exe'] ?? '',
      rcloneArgs: values['rclone-args'],
      rcloneEnv: values['rclone-env'],
      startupTimeoutMs: Number(values['rclone-startup-timeout'] / 1_000_000n),
      debug: values['rclone-debug'],
      noWaitForTransfers: values['rclone-nowait-for-transfers'],
      embeddedConfig: embedded(values['embed-rclone-config']),
      atomicWrites: values['atomic-writes'],
      ...shardedConfig(values, request),
    })
  },
})

function embedded(file: string | undefined): string {
  if (!file) return ''
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`cannot embed the file of --embed-rclone-config: ${messageOf(error)}`, { cause: error })
  }
}
