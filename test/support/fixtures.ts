import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { sharedPath } from './shared.ts'

/** Facts that Kopia states about one fixture repository; see the README of the fixtures folder. */
export type FixtureFacts = Record<string, unknown> & { readonly name: string; readonly password: string }

/** Facts of a fixture, or the parsed text of another JSON file there (`damage`, `default-commands`). */
export function fixtureFacts<T = FixtureFacts>(name: string): T {
  const plain = sharedPath('fixtures', `${name}.json`)
  const text = existsSync(plain) ? readFileSync(plain, 'utf8') : gunzipSync(readFileSync(`${plain}.gz`)).toString('utf8')
  return JSON.parse(text) as T
}

/** Unpacks a fresh copy of a fixture repository; `path` is its folder. Remove it with `remove`. */
export function unpackFixture(name: string): { readonly path: string; remove(): void } {
  const place = mkdtempSync(join(tmpdir(), 'kura-fixture-'))
  execFileSync('tar', ['-xzf', sharedPath('fixtures', `${name}.tar.gz`), '-C', place])
  return { path: join(place, name), remove: () => rmSync(place, { recursive: true, force: true }) }
}
