import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { systemCode } from '#base/errors.ts'
import { MountBusyError, MountError } from '#fuse/errors.ts'
import { type DoorOutcome, type DoorReply, type DoorRequest, doorFolder, doorPath } from './doorway.ts'

export type DoorProgress = Extract<DoorReply, { readonly type: 'progress' }>

/** Asks the process of a writable mount for something and waits for what comes of it; undefined when no writable mount of this user is at
 *  that path. MountBusyError, MountError. */
export async function askMount(
  mountPoint: string,
  request: DoorRequest,
  onProgress: (progress: DoorProgress) => void,
): Promise<readonly DoorOutcome[] | undefined> {
  const socket = createConnection(doorPath(mountPoint))
  const failed = new Promise<undefined>((resolve, reject) => {
    socket.on('error', (error) => (['ENOENT', 'ECONNREFUSED'].includes(systemCode(error) ?? '') ? resolve(undefined) : reject(error)))
  })
  const answered = async (): Promise<readonly DoorOutcome[]> => {
    for await (const line of createInterface({ input: socket })) {
      const reply = JSON.parse(line) as DoorReply
      if (reply.type === 'progress') onProgress(reply)
      else if (reply.type === 'done') return reply.outcomes
      else if (reply.type === 'busy') throw new MountBusyError(reply.message)
      else throw new MountError(reply.message)
    }
    throw new MountError(`The mount at ${mountPoint} ended before it answered; what it had accepted is in the next mount.`)
  }
  const connected = new Promise<readonly DoorOutcome[]>((resolve, reject) => {
    socket.once('connect', () => {
      socket.write(`${JSON.stringify(request)}\n`)
      answered().then(resolve, reject)
    })
  })
  try {
    return await Promise.race([connected, failed])
  } finally {
    socket.destroy()
  }
}

/** Mount points of this user's writable mounts. */
export function writableMounts(): string[] {
  const folder = doorFolder()
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.path'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
}
