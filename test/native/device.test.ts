import { closeSync, writeSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeAddon, noise } from './addon.ts'

const maxRequestBytes = 1 << 20
/** Few enough for the buffer of a socket: nobody reads while they are written. */
const pieceBytes = 32 << 10

describeAddon('readDevice', (addon) => {
  /** What was handed over, until the other end is closed. */
  function reading(keepsNothing: boolean): { readonly end: number; readonly batches: Buffer[]; readonly ended: Promise<string> } {
    const [end, device] = addon.socketPair()
    const batches: Buffer[] = []
    const ended = new Promise<string>((resolve) => {
      addon.readDevice(device, maxRequestBytes, (batch, code) => {
        if (batch !== undefined) batches.push(keepsNothing ? Buffer.from(batch) : batch)
        if (code === undefined) return keepsNothing
        closeSync(device)
        resolve(code)
        return true
      })
    })
    return { end, batches, ended }
  }

  test('hands over what is there, padded with zeros to 8 bytes, and says what ended it', async () => {
    const { end, batches, ended } = reading(true)
    writeSync(end, 'thirteen byte')
    while (batches.length === 0) await new Promise(setImmediate)
    writeSync(end, 'again')
    while (batches.length === 1) await new Promise(setImmediate)
    closeSync(end)
    expect(await ended).toBe('EIO')
    expect(batches.map(String)).toEqual(['thirteen byte\0\0\0', 'again\0\0\0'])
  })

  test.each([true, false])(
    'large batches come whole, their memory used again only where nothing of it is kept: %s',
    async (keepsNothing) => {
      const { end, batches, ended } = reading(keepsNothing)
      const sent = [1, 2, 3, 4].map((seed) => noise(3 * pieceBytes, seed))
      for (const [i, bytes] of sent.entries()) {
        for (let at = 0; at < bytes.length; at += pieceBytes) writeSync(end, bytes, at, pieceBytes)
        while (batches.length === i) await new Promise(setImmediate)
      }
      closeSync(end)
      await ended
      expect(batches.length).toBe(sent.length)
      for (const [i, bytes] of sent.entries()) expect((batches[i] as Buffer).subarray(0, bytes.length).equals(bytes)).toBe(true)
    },
  )
})
