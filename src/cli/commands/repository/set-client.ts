import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { goDuration } from '#cli/print/duration.ts'
import type { ClientChanges } from '#repo/repository/connect.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

export const setClientOptions = defineCommand({
  flags: [
    { name: 'read-only', type: 'bool' },
    { name: 'read-write', type: 'bool' },
    { name: 'description', type: 'string', repeated: true },
    { name: 'username', type: 'string', repeated: true },
    { name: 'hostname', type: 'string', repeated: true },
    { name: 'repository-format-cache-duration', type: 'duration' },
    { name: 'disable-repository-format-cache', type: 'bool' },
  ],
  async run(c, values) {
    const [{ setClient }, { readLocalConfig }] = await Promise.all([
      import('#repo/repository/connect.ts'),
      import('#repo/repository/local-config.ts'),
    ])
    const config = await readLocalConfig(c.configFile, {})
    const changes: Writable<ClientChanges> = {}
    const setMode = (readOnly: boolean, name: string) => {
      if (config.readOnly === readOnly) return c.log.info(`Repository is already in ${name} mode.`)
      c.log.info(`Setting repository to ${name} mode.`)
      changes.readOnly = readOnly
    }
    if (values['read-only']) setMode(true, 'read-only')
    if (values['read-write']) setMode(false, 'read-write')
    for (const key of ['description', 'username', 'hostname'] as const) {
      const value = values[key][0]
      if (value === undefined) continue
      c.log.info(`Setting ${key} to ${value}`)
      changes[key] = value
    }
    const duration = values['repository-format-cache-duration']
    if (duration) {
      c.log.info(`Setting format blob cache duration to ${goDuration(duration)}`)
      changes.formatBlobCacheDurationNs = duration
    }
    if (values['disable-repository-format-cache']) {
      c.log.info('Disabling format blob cache')
      changes.formatBlobCacheDurationNs = -1n
    }
    if (Object.keys(changes).length === 0) throw new CommandError('no changes')
    await setClient(c.configFile, changes)
  },
})
