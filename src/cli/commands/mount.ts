import { defineCommand } from '#cli/flag.ts'

export const mount = defineCommand({
  args: [
    { name: 'path', type: 'string', default: 'all' },
    { name: 'mountPoint', type: 'string', default: '*' },
  ],
  flags: [
    { name: 'driver', type: 'enum', values: ['auto', 'kernel', 'fuse-native'], default: 'auto', describe: 'How to speak to the kernel' },
    { name: 'trace-fs', type: 'bool' },
    { name: 'fuse-allow-other', type: 'bool' },
    { name: 'fuse-allow-non-empty-mount', type: 'bool' },
    { name: 'max-cached-entries', type: 'int', default: '200000' },
    { name: 'max-cached-dirs', type: 'int', default: '2000' },
  ],
  async run(c, values) {
    const { mountSnapshots } = await import('#mount/daemon.ts')
    const signal = c.stop
    const mounted = await mountSnapshots({
      repository: await c.open(),
      target: values.path,
      mountPoint: values.mountPoint,
      driver: values.driver === 'auto' ? undefined : values.driver,
      signal,
      warn: (line) => c.log.warning(line),
      options: {
        ...(values['fuse-allow-other'] ? { allowOther: true } : {}),
        allowNonEmpty: values['fuse-allow-non-empty-mount'],
        maxCachedDirectories: values['max-cached-dirs'],
        maxCachedEntries: values['max-cached-entries'],
        ...(values['trace-fs'] ? { trace: (line: string) => c.log.info(line) } : {}),
      },
    })
    c.log.info(`Mounted '${values.path}' on ${mounted.mountPoint}`)
    c.log.info('Press Ctrl-C to unmount, or run "kura unmount" on it.')
    await mounted.done
    c.log.info('Unmounted.')
  },
})
