import { defineCommand } from '#cli/flag.ts'

export const sessionList = defineCommand({
  async run(c) {
    const { listSessions } = await import('#repo/content/session-list.ts')
    const repository = await c.openDirect()
    const sessions = await listSessions(repository.blobs, repository.cipher)
    for (const { id, username, hostname, startTimeNs, checkpointTimeNs } of sessions.values())
      c.io.out(`${id} ${username}@${hostname} ${c.times.seconds(startTimeNs)} ${c.times.seconds(checkpointTimeNs)}`)
  },
})
