import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** Path in the folder of specification, vectors and fixtures that lies beside the checkout (KURA_SHARED overrides). */
export function sharedPath(...parts: string[]): string {
  const root = resolve(repositoryRoot, process.env['KURA_SHARED'] ?? '../shared')
  if (!existsSync(root)) throw new Error(`the shared folder ${root} is missing; set KURA_SHARED to where spec/ and fixtures/ are`)
  return join(root, ...parts)
}
