import { type NotificationEvent, unmadeSnapshot } from './events.ts'

const tookNs = 90_000_000_000n

/** What an event may look like, by the name of its template: to try the template out. */
export function sampleEvent(templateName: string, nowNs: bigint): NotificationEvent {
  const startNs = nowNs - tookNs
  if (templateName.includes('generic-error'))
    return {
      name: 'generic-error',
      operation: 'snapshot create',
      operationDetails: 'snapshot create /home/me',
      startNs,
      endNs: nowNs,
      errorMessage: 'an example of an error',
      errorDetails: 'an example of an error',
    }
  return templateName.includes('snapshot-report') ? sampleReport(startNs, nowNs) : { name: 'test-notification' }
}

const sampleReport = (startNs: bigint, endNs: bigint): NotificationEvent => ({
  name: 'snapshot-report',
  snapshots: [{ error: '', manifest: { ...unmadeSnapshot({ user: 'me', host: 'here', path: '/home/me' }, endNs), startNs } }],
})
