import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What happens to one connection. */
export interface LineFault {
  /** It ends, in both directions, once so many bytes have gone from the client to the server or back. */
  readonly cutAfterBytes?: number
  /** Each piece of data comes so much later. */
  readonly delayMs?: number
  /** Data comes in pieces of this size, `everyMs` apart. */
  readonly dripBytes?: number
  readonly everyMs?: number
}

export interface LineProxy {
  readonly port: number
  /** Decides on each connection from now on, by its number from 0; undefined = it passes. */
  plan: (connection: number) => LineFault | undefined
  /** How many connections have met a fault. */
  readonly faults: () => number
  /** Holds back everything on the connections that are open: they stay open and nothing moves. */
  stall(): void
  stop(): void
}

/** Stands between a client and any server on loopback, and harms connections as planned. */
export async function lineProxy(serverPort: number): Promise<LineProxy> {
  const open = new Set<Socket>()
  let [count, met] = [0, 0]
  const server = createServer((near) => {
    const fault = proxy.plan(count++)
    if (fault) met++
    const far = connect(serverPort, '127.0.0.1')
    const budget = { bytes: fault?.cutAfterBytes ?? Number.POSITIVE_INFINITY }
    for (const socket of [near, far]) open.add(socket.on('close', () => open.delete(socket)).on('error', () => undefined))
    pass(near, far, fault, budget)
    pass(far, near, fault, budget)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const proxy: LineProxy = {
    port: (server.address() as { port: number }).port,
    plan: () => undefined,
    faults: () => met,
    stall() {
      for (const socket of open) socket.pause().removeAllListeners('data')
    },
    stop() {
      for (const socket of open) socket.destroy()
      server.close()
    },
  }
  return proxy
}

function pass(from: Socket, to: Socket, fault: LineFault | undefined, budget: { bytes: number }): void {
  let last = Promise.resolve()
  from.on('close', () => void last.then(() => to.destroy()))
  from.on('data', (data) => {
    const whole = data.length <= budget.bytes
    const part = whole ? data : data.subarray(0, budget.bytes)
    budget.bytes -= part.length
    last = last
      .then(() => send(to, part, fault))
      .then(() => {
        if (whole) return
        from.destroy()
        to.destroy()
      })
    // Not more is taken than has been passed on.
    if (fault) {
      from.pause()
      void last.then(() => from.resume())
    }
  })
}

async function send(to: Socket, data: Buffer, fault: LineFault | undefined): Promise<void> {
  if (fault?.delayMs) await sleep(fault.delayMs)
  const piece = fault?.dripBytes ?? data.length
  for (let at = 0; at < data.length; at += piece) {
    if (to.destroyed) return
    if (!to.write(data.subarray(at, at + piece))) await new Promise<void>((resolve) => to.once('drain', resolve).once('close', resolve))
    if (fault?.everyMs) await sleep(fault.everyMs)
  }
}
