import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What can be asked of a mount through its socket; one line of JSON. */
export interface DoorRequest {
  readonly do: 'flush' | 'unmount'
  readonly lazy?: boolean
}

/** What comes back, each one line of JSON: any number of progress lines, then one of the others. */
export type DoorReply =
  | { readonly type: 'progress'; readonly phase: string; readonly files: number; readonly bytes: number }
  | { readonly type: 'done'; readonly outcomes: readonly DoorOutcome[] }
  | { readonly type: 'busy'; readonly message: string }
  | { readonly type: 'failed'; readonly message: string }

export interface DoorOutcome {
  readonly source: string
  readonly snapshotId: string
  readonly isIdentical: boolean
  readonly files: number
  readonly bytes: number
  readonly error: string
}

/** Folder of the sockets of this user's mounts. */
export const doorFolder = (): string => join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'kura', 'mounts')

/** The socket of the writable mount at an absolute path. Its name is short, since paths of sockets must be (unix(7): 107 bytes). */
export const doorPath = (mountPoint: string): string =>
  join(doorFolder(), `${createHash('sha256').update(mountPoint).digest('hex').slice(0, 16)}.sock`)
