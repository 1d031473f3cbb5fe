import { messageOf } from '#base/errors.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { eventValues } from './event-values.ts'
import type { NotificationEvent } from './events.ts'
import { type Message, parseMessage } from './message.ts'
import { listProfiles, type NotificationProfile, senderOf } from './profiles.ts'
import type { Sender } from './senders/sender.ts'
import { severities } from './severity.ts'
import { renderTemplate } from './template/render.ts'
import { notificationFunctions, type TextForms, timeValue } from './template-functions.ts'
import { resolveTemplate } from './templates.ts'

/** What holds for every message. */
export interface SendSettings {
  readonly forms: TextForms
  /** Of the machine that sends. */
  readonly hostname: string
  readonly version: string
  readonly buildInfo: string
  readonly nowNs: bigint
  readonly warn: (message: string) => void
  /** After this long a receiver counts as unreachable; absent = half a minute. */
  readonly timeoutMs?: number
}

const defaultTimeoutMs = 30_000

/** What a template sees as `.`. */
const rootValues = (event: NotificationEvent, { forms, hostname, version, buildInfo, nowNs }: SendSettings) => ({
  Hostname: hostname,
  EventTime: timeValue(nowNs),
  EventArgs: eventValues(event, forms),
  KopiaRepo: '',
  KopiaBuildInfo: buildInfo,
  KopiaBuildVersion: version,
})

/** The message that a template gives for an event. Throws TemplateError. */
export function renderMessage(template: string, event: NotificationEvent, severity: number, settings: SendSettings): Message {
  const text = renderTemplate(template, rootValues(event, settings), notificationFunctions(settings.forms))
  return parseMessage(text, severity, settings.warn)
}

/** Tells every profile of an event that matters enough to it. What fails is told to `warn`, with the profile's name, and keeps nobody else
 *  from being told; nothing is thrown. Source: spec 05, 5.7.5. */
export async function sendNotification(
  repository: Repository,
  event: NotificationEvent,
  severity: number,
  settings: SendSettings,
): Promise<void> {
  try {
    const wanted = (await listProfiles(repository)).filter((profile) => severity >= profile.minSeverity)
    await Promise.all(wanted.map((profile) => sendOrWarn(repository, profile, event, severity, settings)))
  } catch (error) {
    settings.warn(`cannot send notifications: ${messageOf(error)}`)
  }
}

async function sendOrWarn(
  repository: Repository,
  profile: NotificationProfile,
  event: NotificationEvent,
  severity: number,
  settings: SendSettings,
): Promise<void> {
  try {
    await deliver(repository, profile.name, senderOf(profile), event, severity, settings)
  } catch (error) {
    settings.warn(`cannot send a notification by the profile "${profile.name}": ${messageOf(error)}`)
  }
}

/** Sends the test message by one profile, whatever its minimum. Throws ProfileError, TemplateError, DeliveryError. */
export async function sendTestMessage(repository: Repository, profile: NotificationProfile, settings: SendSettings): Promise<void> {
  await deliver(repository, profile.name, senderOf(profile), { name: 'test-notification' }, severities.success, settings)
}

async function deliver(
  repository: Repository,
  profile: string,
  sender: Sender,
  event: NotificationEvent,
  severity: number,
  settings: SendSettings,
): Promise<void> {
  const template = await resolveTemplate(repository, profile, event.name, sender.format)
  await sender.send(renderMessage(template, event, severity, settings), { timeoutMs: settings.timeoutMs ?? defaultTimeoutMs })
}
