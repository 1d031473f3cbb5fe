import { Worker } from 'node:worker_threads'
import { nativeAddon } from '#base/native.ts'
import { requestBufferBytes } from './abi.ts'

/** Hands over the requests of a FUSE device as they come: whole requests, each padded to 8 bytes. A buffer for which `deliver` returns true
 *  is used again. */
export interface DeviceReader {
  /** Resolves with the code that ended the reading: `ENODEV` = unmounted, `ECONNABORTED` = aborted. */
  readonly ended: Promise<string>
  /** A thread sits in a read that only the end of the connection ends: the process cannot exit before. */
  readonly holdsProcess: boolean
}

/** Reads `fd` without blocking the event loop and without a thread of Node's pool: by the addon, in the event loop, so that one wake-up
 *  stands between a caller and its answer; else on a worker thread whose reads block (spec 08, 3.15 and 6.4). */
export function readDevice(fd: number, deliver: (batch: Buffer) => boolean): DeviceReader {
  const addon = nativeAddon()
  if (addon !== undefined) {
    const ended = new Promise<string>((resolve) => {
      addon.readDevice(fd, requestBufferBytes, (batch, end) => {
        if (end !== undefined) resolve(end)
        return batch !== undefined && deliver(batch)
      })
    })
    return { ended, holdsProcess: false }
  }
  return { ended: readOnWorker(fd, deliver), holdsProcess: true }
}

/** The worker's program. Text, so that it needs no file beside a bundle. */
const workerProgram = `
const { readSync } = require('node:fs')
const { parentPort, workerData } = require('node:worker_threads')
const buffer = Buffer.alloc(workerData.bytes)
for (;;) {
  try {
    const length = readSync(workerData.fd, buffer)
    const copy = new Uint8Array(buffer.subarray(0, length))
    parentPort.postMessage(copy, [copy.buffer])
  } catch (error) {
    if (error.code === 'EINTR' || error.code === 'ENOENT' || error.code === 'EAGAIN') continue
    parentPort.postMessage(error.code || 'EIO')
    break
  }
}
`

function readOnWorker(fd: number, deliver: (batch: Buffer) => boolean): Promise<string> {
  const worker = new Worker(workerProgram, { eval: true, workerData: { fd, bytes: requestBufferBytes } })
  return new Promise((resolve, reject) => {
    worker.on('message', (message: Uint8Array | string) => {
      if (typeof message === 'string') resolve(message)
      else deliver(Buffer.from(message.buffer, message.byteOffset, message.length))
    })
    worker.on('error', reject)
  })
}
