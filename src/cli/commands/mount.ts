import { spawn } from 'node:child_process'
import { defineCommand } from '#cli/flag.ts'

export const mount = defineCommand({
  args: [
    { name: 'path', type: 'string', default: 'all' },
    { name: 'mountPoint', type: 'string', default: '*' },
  ],
  flags: [
    { name: 'browse', type: 'bool', describe: 'Open the mount in the file manager' },
    { name: 'driver', type: 'enum', values: ['auto', 'kernel', 'fuse-native'], default: 'auto', describe: 'How to speak to the kernel' },
    { name: 'trace-fs', type: 'bool' },
    { name: 'fuse-allow-other', type: 'bool' },
    { name: 'fuse-allow-non-empty-mount', type: 'bool' },
    { name: 'webdav', type: 'bool', hidden: true },
    { name: 'max-cached-entries', type: 'int', default: '200000' },
    { name: 'max-cached-dirs', type: 'int', default: '2000' },
  ],
  async run(c, values) {
    const { mountSnapshots } = await import('#mount/daemon.ts')
    const signal = c.stop
    if (values.webdav) c.log.warning('--webdav is not needed: the mount goes straight through the kernel.')
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
    if (values.browse) browse(mounted.mountPoint, (line) => c.log.warning(line))
    await mounted.done
    c.log.info('Unmounted.')
  },
})

/** Opens a folder in whatever the desktop opens folders with. It lives on its own; that it cannot be started is only worth a warning. */
function browse(folder: string, warn: (line: string) => void): void {
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open'
  const child = spawn(opener, [folder], { detached: true, stdio: 'ignore' })
  child.once('error', () => warn(`cannot open ${folder}: there is no ${opener}. Open it in a file manager yourself.`))
  child.unref()
}
