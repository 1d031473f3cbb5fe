import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { userInfo } from 'node:os'
import { basename } from 'node:path'
import { messageOf } from '#base/errors.ts'
import { PasswordStoreError } from './errors.ts'
import type { PasswordStore } from './password-store.ts'

/** The part of the optional package that is used. */
interface Entry {
  getPassword(): string | null
  setPassword(password: string): void
  deletePassword(): boolean
}
interface Keyring {
  readonly Entry: new (service: string, account: string, options: { linux: { store: 'secret-service' } }) => Entry
}

/** Names of a connection's item (spec 01, 1.22). `configFile` as the command line resolved it. */
export const keyringService = (configFile: string): string =>
  `${basename(configFile)}-${createHash('sha256').update(configFile).digest('hex').slice(0, 16)}`

/** The Secret Service of a Linux desktop. Where there is none, or the package for it is not installed, it holds nothing and takes nothing.
 *  Source: spec 01, 1.22. */
export const keyringPasswordStore: PasswordStore = {
  name: 'keyring',
  async read(configFile) {
    return withEntry(configFile, 'read the password from', (entry) => entry.getPassword() ?? undefined, undefined)
  },
  async write(configFile, password) {
    const put = (entry: Entry): boolean => {
      entry.setPassword(password)
      return true
    }
    return withEntry(configFile, 'keep the password in', put, false)
  },
  async delete(configFile) {
    withEntry(configFile, 'delete the password from', (entry) => entry.deletePassword(), false)
  },
}

function withEntry<T>(configFile: string, what: string, use: (entry: Entry) => T, otherwise: T): T {
  const entry = open(configFile)
  if (!entry) return otherwise
  try {
    return use(entry)
  } catch (error) {
    throw new PasswordStoreError(`cannot ${what} the keyring: ${messageOf(error)}. Unlock it, or use --no-use-keyring.`, { cause: error })
  }
}

/** Undefined where no Secret Service answers. The kernel's own keyring, which forgets at the next start, is not asked. */
function open(configFile: string): Entry | undefined {
  try {
    const { Entry } = createRequire(import.meta.url)('@napi-rs/keyring') as Keyring
    return new Entry(keyringService(configFile), userInfo().username, { linux: { store: 'secret-service' } })
  } catch {
    return undefined
  }
}
