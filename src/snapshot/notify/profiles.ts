import { KuraError } from '#base/errors.ts'
import { goJson, type JsonValue } from '#base/go-json.ts'
import { asObject, memberOf, numberOf, stringOf } from '#base/json-read.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { ProfileError } from './errors.ts'
import { senderType } from './senders/registry.ts'
import type { MethodConfig, Sender } from './senders/sender.ts'

/** Who is told of events, how, and of which (spec 05, 5.7.1). */
export interface NotificationProfile {
  readonly name: string
  readonly type: string
  readonly config: MethodConfig
  readonly minSeverity: number
}

export const profileType = 'notificationProfile'

const labelsOf = (name: string) => ({ type: profileType, profile: name })

function decode(payload: unknown): NotificationProfile {
  const what = 'the notification profile'
  const object = asObject(payload, what)
  const method = asObject(memberOf(object, 'method'), `${what}: method`)
  const config: Record<string, string | number | boolean> = {}
  for (const [key, value] of Object.entries(asObject(memberOf(method, 'config'), `${what}: config`)))
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') config[key] = value
  return {
    name: stringOf(object, 'profile', what),
    type: stringOf(method, 'type', what),
    config,
    minSeverity: numberOf(object, 'minSeverity', what),
  }
}

/** A profile as it is stored and shown raw: settings sorted by name, secrets in clear. */
export function profileJson({ name, type, config, minSeverity }: NotificationProfile): { readonly [key: string]: JsonValue } {
  const sorted = Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { profile: name, method: { type, config: sorted }, minSeverity }
}

/** All profiles, the oldest change first; of several with one name the newest. Throws the repository's errors. */
export async function listProfiles(repository: Repository): Promise<NotificationProfile[]> {
  return load(repository, { type: profileType })
}

/** The profile of that name, or undefined. */
export async function findProfile(repository: Repository, name: string): Promise<NotificationProfile | undefined> {
  return (await load(repository, labelsOf(name))).at(-1)
}

async function load(repository: Repository, labels: Readonly<Record<string, string>>): Promise<NotificationProfile[]> {
  const byName = new Map<string, NotificationProfile>()
  for (const { id } of await repository.manifests.find(labels)) {
    try {
      const profile = decode((await repository.manifests.get(id)).payload)
      byName.delete(profile.name)
      byName.set(profile.name, profile)
    } catch (error) {
      if (!(error instanceof KuraError && error.code === 'MANIFEST_NOT_FOUND')) throw error
    }
  }
  return [...byName.values()]
}

/** Stores a profile in place of all of its name. Throws ProfileError for settings that cannot work. */
export async function saveProfile(repository: Repository, profile: NotificationProfile): Promise<void> {
  const checked = { ...profile, config: typeOf(profile).complete(profile.config) }
  await repository.manifests.replace(labelsOf(profile.name), goJson(profileJson(checked)))
}

/** Deletes every profile of that name; nothing when there is none. */
export async function deleteProfile(repository: Repository, name: string): Promise<void> {
  for (const { id } of await repository.manifests.find(labelsOf(name))) await repository.manifests.delete(id)
}

function typeOf(profile: NotificationProfile) {
  const type = senderType(profile.type)
  if (!type) throw new ProfileError(`the notification profile "${profile.name}" is of the type "${profile.type}", which is not known here`)
  return type
}

/** What delivers for a profile. Throws ProfileError when it is of an unknown type or cannot work as it is set. */
export function senderOf(profile: NotificationProfile): Sender {
  const type = typeOf(profile)
  return type.sender(type.complete(profile.config))
}

/** One line on how a profile delivers; `TYPE - invalid` when it cannot. */
export function profileSummary(profile: NotificationProfile): string {
  try {
    return senderOf(profile).summary
  } catch {
    return `${profile.type} - invalid`
  }
}
