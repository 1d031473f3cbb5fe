import { connect, type Socket } from 'node:net'

const readBytes = 512 * 1024

/** A connection for the built-in ssh client that spares it what costs most. Writes of one turn of the event loop leave together: the client hands
 *  over each packet in three pieces, which would be three system calls and three segments. What arrives lies in one buffer that is used again and
 *  again once `reuse` was called; before that the client gets copies of its own. */
export function leanSocket(host: string, port: number): { readonly socket: Socket; reuse(): void } {
  let copies = true
  const callback = (length: number, bytes: Uint8Array): boolean => {
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, length)
    socket.emit('data', copies ? Buffer.from(data) : data)
    return true
  }
  const onread = { buffer: Buffer.allocUnsafeSlow(readBytes), callback }
  const socket: Socket = connect({ host, port, noDelay: true, onread })
  gatherWrites(socket)
  const reuse = (): void => {
    copies = false
  }
  return { socket, reuse }
}

function gatherWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  let isGathering = false
  const release = (): void => {
    isGathering = false
    socket.uncork()
  }
  socket.write = (...args: unknown[]): boolean => {
    if (!isGathering) {
      isGathering = true
      socket.cork()
      process.nextTick(release)
    }
    return write(...args)
  }
}
