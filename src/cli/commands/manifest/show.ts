import { messageOf } from '#base/errors.ts'
import { goJsonIndented, type JsonValue, parseLosslessJson } from '#base/go-json.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'

export const show = defineCommand({
  args: [{ name: 'item', type: 'string', repeated: true, required: true }],
  async run(c, values) {
    const repository = await c.open()
    for (const id of values.item) {
      const { info, json } = await repository.manifests.get(id).catch((error: unknown) => {
        throw new CommandError(`error getting metadata for "${id}": ${messageOf(error)}`, { cause: error })
      })
      c.io.out(`// id: ${info.id}`)
      c.io.out(`// length: ${info.sizeBytes}`)
      c.io.out(`// modified: ${c.times.seconds(info.modifiedNs)}`)
      for (const [key, value] of Object.entries(info.labels)) c.io.out(`// label ${key}:${value}`)
      c.io.write(goJsonIndented(parseLosslessJson(json) as JsonValue))
    }
  },
})
