import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { messageOf } from '#base/errors.ts'
import { MountBusyError } from '#fuse/errors.ts'
import { type DoorOutcome, type DoorReply, type DoorRequest, doorPath } from './doorway.ts'

export interface DoorHost {
  readonly mountPoint: string
  flush(): Promise<readonly DoorOutcome[]>
  /** Rejects with MountBusyError while files are open. */
  unmount(options: { readonly lazy: boolean }): Promise<void>
  /** What the last flush came to, once the mount has ended and all is flushed. */
  readonly ended: Promise<readonly DoorOutcome[]>
  readonly progress: { readonly phase: string; readonly files: number; readonly bytes: number } | undefined
}

export interface Door {
  /** Resolves when everybody who had asked has the answer. */
  close(): Promise<void>
}

const progressMs = 500

/** Lets `kura flush` and `kura unmount` talk to the process of a mount, by a socket that only its user can open. What cannot be asked for
 *  there still works without it. Source: spec 08, 4.7. */
export async function openDoor(host: DoorHost, warn: (line: string) => void): Promise<Door> {
  const path = doorPath(host.mountPoint)
  const sockets = new Set<Socket>()
  const asked = new Set<Promise<void>>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY }).once('line', (line) => {
      const answered: Promise<void> = serve(host, line, socket).finally(() => asked.delete(answered))
      asked.add(answered)
    })
  })
  server.on('error', (error) => warn(`the mount cannot be asked to flush by command: ${messageOf(error)}`))
  await listen(server, path, host.mountPoint).catch((error: unknown) =>
    warn(`the mount cannot be asked to flush by command: ${messageOf(error)}`),
  )
  server.unref()
  return {
    close: async () => {
      server.close()
      for (const end of ['', '.path']) rmSync(path + end, { force: true })
      await Promise.all(asked)
      for (const socket of sockets) socket.end()
    },
  }
}

async function listen(server: Server, path: string, mountPoint: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
  chmodSync(path, 0o600)
  writeFileSync(`${path}.path`, mountPoint, { mode: 0o600 })
}

async function serve(host: DoorHost, line: string, socket: Socket): Promise<void> {
  const say = (reply: DoorReply): void => void socket.write(`${JSON.stringify(reply)}\n`)
  const timer = setInterval(() => {
    if (host.progress !== undefined) say({ type: 'progress', ...host.progress })
  }, progressMs)
  try {
    const request = JSON.parse(line) as DoorRequest
    if (request.do === 'flush') say({ type: 'done', outcomes: await host.flush() })
    else if (request.do === 'unmount') {
      await host.unmount({ lazy: request.lazy === true })
      say({ type: 'done', outcomes: await host.ended })
    } else say({ type: 'failed', message: 'the mount does not know what it was asked for' })
  } catch (error) {
    say({ type: error instanceof MountBusyError ? 'busy' : 'failed', message: messageOf(error) })
  } finally {
    clearInterval(timer)
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
      socket.end(resolve)
    })
  }
}
