import { gunzipSync } from 'node:zlib'
import { messageOf } from '#base/errors.ts'
import { goJsonIndented, type JsonValue, parseLosslessJson } from '#base/go-json.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'

/** More than any content can unpack to. */
const maxUnzippedBytes = 1 << 30

export const show = defineCommand({
  args: [{ name: 'id', type: 'string', repeated: true, required: true }],
  flags: [
    { name: 'json', short: 'j', type: 'bool' },
    { name: 'unzip', short: 'z', type: 'bool' },
  ],
  async run(c, values) {
    const { parseContentId } = await import('#repo/content/content-id.ts')
    const repository = await c.openDirect()
    for (const text of values.id) {
      const id = parseContentId(text)
      let bytes = await repository.contents.get(id).catch((error: unknown) => {
        throw new CommandError(`error getting content ${id}: ${messageOf(error)}`, { cause: error })
      })
      if (values.unzip) bytes = gunzipSync(bytes, { maxOutputLength: maxUnzippedBytes })
      if (values.json) c.io.write(`${goJsonIndented(parseLosslessJson(bytes.toString('utf8')) as JsonValue)}\n`)
      else c.io.write(bytes)
      await c.io.drained()
    }
  },
})
