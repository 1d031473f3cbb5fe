import { errno, FuseError } from '#fuse/errno.ts'
import type { Control } from '#mount/control.ts'

/** Control files that say what they were told. */
export class RecordingControl implements Control {
  readonly names = ['status', 'errors', 'flush', 'last-snapshot']
  readonly writableNames = ['flush']
  readonly xattrNames = ['user.kura.state']

  constructor(private readonly say: (event: string, more: object) => void) {}

  read(name: string): Uint8Array {
    return Buffer.from(`content of ${name}\n`)
  }

  write(name: string, data: Uint8Array): void {
    this.say('control', { message: `${name}: ${Buffer.from(data).toString()}` })
  }

  async sync(): Promise<void> {
    throw new FuseError(errno.ENOSPC)
  }

  getXattr(_staging: unknown, name: string): Uint8Array | undefined {
    return name === 'user.kura.state' ? Buffer.from('clean') : undefined
  }

  setXattr(_staging: unknown, name: string, value: Uint8Array): void {
    this.say('control', { message: `${name}=${Buffer.from(value).toString()}` })
  }
}
