import { spawn } from 'node:child_process'

/** Tells systemd that the service is there, when it was started as one of type `notify`; Node has no datagram sockets, so a helper of
 *  systemd's does it. Source: sd_notify(3), systemd-notify(1). */
export function tellServiceReady(env: Readonly<Record<string, string | undefined>>, warn: (line: string) => void): void {
  if (!env['NOTIFY_SOCKET']) return
  const child = spawn('systemd-notify', ['--ready', `--pid=${process.pid}`], { env: { ...env }, stdio: 'ignore' })
  child.once('error', () => warn('systemd cannot be told that the mount is there: systemd-notify is missing. Use Type=exec instead.'))
  child.unref()
}
