import { defineCommand } from '#cli/flag.ts'

export const unmount = defineCommand({
  args: [{ name: 'mountPoint', type: 'string', repeated: true, required: true }],
  flags: [{ name: 'lazy', short: 'l', type: 'bool' }],
  async run(_c, values) {
    const { unmountAt } = await import('#mount/dead-mount.ts')
    for (const path of values.mountPoint) await unmountAt(path, { lazy: values.lazy })
  },
})
