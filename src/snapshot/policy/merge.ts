import { goJson, type JsonValue } from '#base/go-json.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { globalSource } from '#snapshot/model/source-text.ts'
import { defaultPolicy, emptyPolicy } from './defaults.ts'
import type { Policy } from './policy.ts'
import { type FieldKind, type Fields, policyFields } from './schema.ts'

/** A policy and the target it is defined for. */
export interface DefinedPolicy {
  /** Manifest ID; '' for one that is not stored. */
  readonly id: string
  readonly target: SourceInfo
  readonly policy: Policy
}

/** Which target supplied each value: nesting as in Policy, leaves are sources (spec 03, 7.2). */
export interface PolicyDefinition {
  readonly [key: string]: SourceInfo | PolicyDefinition
}

export interface MergedPolicy {
  readonly effective: Policy
  readonly definition: PolicyDefinition
}

type Rule = 'present' | 'nonZero' | 'or' | 'union' | 'own' | 'flag'

/** Members whose rule does not follow from their kind. */
const special: Readonly<Record<string, Rule>> = {
  'files.noParentIgnore': 'or',
  'files.noParentDotFiles': 'or',
  'scheduling.manual': 'or',
  'scheduling.timeOfDay': 'union',
  'scheduling.noParentTimeOfDay': 'flag',
  'compression.onlyCompress': 'union',
  'compression.noParentOnlyCompress': 'flag',
  'compression.neverCompress': 'union',
  'compression.noParentNeverCompress': 'flag',
  'actions.beforeFolder': 'own',
  'actions.afterFolder': 'own',
  noParent: 'own',
}
/** The flag that ends a union. */
const unionFlags: Readonly<Record<string, string>> = {
  timeOfDay: 'noParentTimeOfDay',
  onlyCompress: 'noParentOnlyCompress',
  neverCompress: 'noParentNeverCompress',
}

const ruleOf = (path: string, kind: FieldKind): Rule =>
  special[path] ?? (kind === 'optInt' || kind === 'optBool' || kind === 'action' ? 'present' : 'nonZero')

type Values = Record<string, unknown>
type Definition = Record<string, SourceInfo | Record<string, unknown>>

/** Merges policies, most specific first, and the built-in values after them unless one says `noParent`. The first must be the one of the
 *  source itself. Source: spec 03, 7.3; spec 07, 7.3.1. */
export function mergePolicies(policies: readonly DefinedPolicy[]): MergedPolicy {
  const effective = structuredClone(emptyPolicy) as unknown as Values
  const definition = emptyDefinition(policyFields, '') as Definition
  let stopped = false
  for (const { policy, target } of policies) {
    mergeFields(effective, definition, policy as unknown as Values, target, policyFields, '')
    if (policy.noParent) {
      stopped = true
      break
    }
  }
  if (!stopped) {
    mergeFields(effective, definition, defaultPolicy as unknown as Values, globalSource, policyFields, '')
    const own = policies[0]?.policy.actions
    const actions = effective['actions'] as Values
    if (own?.beforeFolder) actions['beforeFolder'] = own.beforeFolder
    if (own?.afterFolder) actions['afterFolder'] = own.afterFolder
  }
  return { effective: effective as unknown as Policy, definition: definition as PolicyDefinition }
}

/** Members of a definition, in its order, all of them from nobody. */
function emptyDefinition(fields: Fields, at: string): Values {
  const result: Values = {}
  for (const key of definitionKeys(fields, at)) {
    const kind = fields[key] as FieldKind
    result[key] = typeof kind === 'object' ? emptyDefinition(kind, `${at}${key}.`) : globalSource
  }
  return result
}

function definitionKeys(fields: Fields, at: string): string[] {
  if (at === 'scheduling.') return ['intervalSeconds', 'timeOfDay', 'cron', 'manual', 'runMissed']
  return Object.keys(fields).filter((key) => !['own', 'flag'].includes(special[at + key] ?? ''))
}

function mergeFields(into: Values, definition: Definition, from: Values, target: SourceInfo, fields: Fields, at: string): void {
  const flagsBefore = { ...into }
  for (const [key, kind] of Object.entries(fields)) {
    const path = at + key
    if (typeof kind === 'object') {
      mergeFields(into[key] as Values, definition[key] as Definition, (from[key] ?? {}) as Values, target, kind, `${path}.`)
      continue
    }
    const value = from[key]
    if (value === undefined || value === null) continue
    const rule = ruleOf(path, kind)
    if (rule === 'own') continue
    if (rule === 'flag') {
      if (value === true) into[key] = true
    } else if (rule === 'union') {
      if (flagsBefore[unionFlags[key] as string] === true || (value as unknown[]).length === 0) continue
      into[key] = union(kind, (into[key] ?? []) as readonly unknown[], value as readonly unknown[])
      definition[key] = target
    } else if (isSet(into[key], rule) || !isSet(value, rule)) continue
    else {
      into[key] = value
      definition[key] = target
    }
  }
}

function isSet(value: unknown, rule: Rule): boolean {
  if (value === undefined || value === null) return false
  if (rule === 'present') return true
  return !(value === 0 || value === false || value === '' || (Array.isArray(value) && value.length === 0))
}

interface Time {
  readonly hour: number
  readonly min: number
}

function union(kind: FieldKind, a: readonly unknown[], b: readonly unknown[]): unknown[] {
  if (kind === 'times') {
    const byMinute = new Map([...(a as Time[]), ...(b as Time[])].map((t) => [t.hour * 60 + t.min, t]))
    return [...byMinute.values()].sort((x, y) => x.hour - y.hour || x.min - y.min)
  }
  return [...new Set([...(a as string[]), ...(b as string[])])].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))
}

/** Go-form JSON of a definition, each leaf `{"host","userName","path"}`. */
export const encodeDefinition = (definition: PolicyDefinition): string => goJson(definitionJsonValue(definition))

export function definitionJsonValue(definition: PolicyDefinition): JsonValue {
  const result: Record<string, JsonValue> = {}
  for (const [key, part] of Object.entries(definition))
    result[key] = isSource(part) ? { host: part.host, userName: part.user, path: part.path } : definitionJsonValue(part)
  return result
}

const isSource = (part: SourceInfo | PolicyDefinition): part is SourceInfo => typeof (part as SourceInfo).user === 'string'
