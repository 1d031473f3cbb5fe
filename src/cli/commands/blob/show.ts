import { messageOf } from '#base/errors.ts'
import { goJsonIndented, type JsonValue, parseLosslessJson } from '#base/go-json.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'

export const show = defineCommand({
  args: [{ name: 'blobID', type: 'string', repeated: true, required: true }],
  flags: [{ name: 'decrypt', type: 'bool' }],
  async run(c, values) {
    const { openBlob } = await import('#repo/crypto/blob-sealing.ts')
    const repository = await c.openDirect()
    for (const id of values.blobID) {
      let bytes = await repository.blobs.get(id).catch((error: unknown) => {
        throw new CommandError(`error presenting blob: error reading blob: ${messageOf(error)}`, { cause: error })
      })
      if (values.decrypt && /^[_nml]/.test(id)) bytes = openBlob(repository.cipher, id, bytes)
      if (/^[ml]/.test(id)) c.io.write(`${goJsonIndented(parseLosslessJson(bytes.toString('utf8')) as JsonValue)}\n`)
      else c.io.write(bytes)
      await c.io.drained()
    }
  },
})
