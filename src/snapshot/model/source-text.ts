import { resolve } from 'node:path'
import { UsageError } from '#base/errors.ts'
import type { SourceInfo } from './source.ts'

export const globalSource: SourceInfo = { user: '', host: '', path: '' }

export const isGlobal = (s: SourceInfo): boolean => s.user === '' && s.host === '' && s.path === ''

/** `user@host:path`, `user@host`, `@host` or `(global)` (spec 03, 6.5). */
export function formatSource(s: SourceInfo): string {
  if (isGlobal(s)) return '(global)'
  return s.path === '' ? `${s.user}@${s.host}` : `${s.user}@${s.host}:${s.path}`
}

/** Who a local path belongs to, and where relative ones start. */
export interface SourceDefaults {
  readonly user: string
  readonly host: string
  /** Absolute; the process's working directory if absent. */
  readonly workingDirectory?: string
}

/** A source or policy target as it is typed. A text with `@` and no `:` is user@host, even if such a file exists. Throws UsageError for
 *  `user@` without a host. Source: spec 03, 6.5; spec 06, 6.1. */
export function parseSource(text: string, defaults: SourceDefaults): SourceInfo {
  if (text === '(global)') return globalSource
  const at = text.indexOf('@')
  const colon = text.indexOf(':')
  if (at > 0 && colon > at) return { user: text.slice(0, at), host: text.slice(at + 1, colon), path: text.slice(colon + 1) }
  if (at >= 0 && colon < 0) {
    const host = text.slice(at + 1)
    if (host === '') throw new UsageError(`"${text}" has no host name after the @. Use user@host, @host or user@host:path.`)
    return { user: text.slice(0, at), host, path: '' }
  }
  return localSource(text, defaults)
}

/** A local path as source, whatever characters it has: made absolute and lexically cleaned. */
export const localSource = (path: string, defaults: SourceDefaults): SourceInfo => ({
  user: defaults.user,
  host: defaults.host,
  path: defaults.workingDirectory === undefined ? resolve(path) : resolve(defaults.workingDirectory, path),
})

export const sameSource = (a: SourceInfo, b: SourceInfo): boolean => a.user === b.user && a.host === b.host && a.path === b.path

/** Order of the text forms, by UTF-8 bytes. */
export const compareSources = (a: SourceInfo, b: SourceInfo): number =>
  Buffer.compare(Buffer.from(formatSource(a)), Buffer.from(formatSource(b)))
