import { goJson } from '#base/go-json.ts'
import { asObject, stringOf } from '#base/json-read.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { builtinTemplates } from './builtin-templates.ts'
import type { MessageFormat } from './message.ts'
import { TemplateError } from './template/errors.ts'

const manifestType = 'notificationTemplate'

const labelsOf = (name: string) => ({ type: manifestType, template: name })

export interface TemplateInfo {
  readonly name: string
  /** Of a customised one. */
  readonly modifiedNs?: bigint
}

/** All templates by name: the built-in ones, and those that the repository has in their place or beside them. */
export async function listTemplates(repository: Repository): Promise<TemplateInfo[]> {
  const found = new Map<string, TemplateInfo>(Object.keys(builtinTemplates).map((name) => [name, { name }]))
  for (const { labels, modifiedNs } of await repository.manifests.find({ type: manifestType })) {
    const name = labels['template'] ?? ''
    found.set(name, { name, modifiedNs })
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Text of a customised template, or undefined. */
export async function customTemplate(repository: Repository, name: string): Promise<string | undefined> {
  const newest = (await repository.manifests.find(labelsOf(name))).at(-1)
  if (!newest) return undefined
  const what = `the notification template ${name}`
  return stringOf(asObject((await repository.manifests.get(newest.id)).payload, what), 'template', what)
}

/** Text of a built-in template. Throws TemplateError for an unknown name. */
export function builtinTemplate(name: string): string {
  const text = Object.hasOwn(builtinTemplates, name) ? builtinTemplates[name] : undefined
  if (text === undefined)
    throw new TemplateError(`there is no template ${name}. The built-in ones are ${Object.keys(builtinTemplates).join(', ')}.`)
  return text
}

/** The template for one profile, event and format: the profile's own, the customised, the built-in one (spec 05, 5.7.3). */
export async function resolveTemplate(repository: Repository, profile: string, event: string, format: MessageFormat): Promise<string> {
  const name = `${event}.${format}`
  const custom = (await customTemplate(repository, `${profile}.${name}`)) ?? (await customTemplate(repository, name))
  return custom ?? builtinTemplate(name)
}

/** Stores the text under any name; it is not checked. */
export async function setTemplate(repository: Repository, name: string, text: string): Promise<void> {
  await repository.manifests.replace(labelsOf(name), goJson({ template: text }))
}

/** Back to the built-in template; nothing when it is not customised. */
export async function removeTemplate(repository: Repository, name: string): Promise<void> {
  for (const { id } of await repository.manifests.find(labelsOf(name))) await repository.manifests.delete(id)
}
