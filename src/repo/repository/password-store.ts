import { readFile, unlink } from 'node:fs/promises'
import { decodeBase64 } from '#base/base64.ts'
import { writeDurably } from '#base/durable.ts'
import { messageOf, systemCode } from '#base/errors.ts'
import { PasswordStoreError } from './errors.ts'

/** A place where the password of a connection can be kept between commands (spec 01, 1.22). */
export interface PasswordStore {
  readonly name: string
  /** The password, or undefined when this store has none or cannot work here. Throws PasswordStoreError. */
  read(configFile: string): Promise<string | undefined>
  /** False when this store cannot work here. Throws PasswordStoreError. */
  write(configFile: string, password: string): Promise<boolean>
  /** Deleting an absent password succeeds. */
  delete(configFile: string): Promise<void>
}

export const passwordFile = (configFile: string): string => `${configFile}.kopia-password`

/** Base64 of the password in a file beside the configuration file, mode 0600. */
export const filePasswordStore: PasswordStore = {
  name: 'file',
  async read(configFile) {
    const path = passwordFile(configFile)
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined
      throw new PasswordStoreError(`cannot read the stored password ${path}: ${messageOf(error)}`, { cause: error })
    }
    try {
      return decodeBase64(text).toString('utf8')
    } catch (error) {
      throw new PasswordStoreError(`the stored password ${path} is damaged: it is not base64. Connect again.`, { cause: error })
    }
  },
  async write(configFile, password) {
    const path = passwordFile(configFile)
    try {
      await writeDurably(path, [Buffer.from(Buffer.from(password, 'utf8').toString('base64'))], { mode: 0o600 })
      return true
    } catch (error) {
      throw new PasswordStoreError(`cannot store the password in ${path}: ${messageOf(error)}`, { cause: error })
    }
  },
  async delete(configFile) {
    await unlink(passwordFile(configFile)).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw new PasswordStoreError(`cannot delete ${passwordFile(configFile)}`, { cause: error })
    })
  },
}

/** Password of the first store that has one. */
export async function readPassword(
  configFile: string,
  stores: readonly PasswordStore[] = [filePasswordStore],
): Promise<string | undefined> {
  for (const store of stores) {
    const password = await store.read(configFile)
    if (password !== undefined) return password
  }
  return undefined
}

/** Keeps the password in the first store that works here. Throws PasswordStoreError when none does. */
export async function savePassword(
  configFile: string,
  password: string,
  stores: readonly PasswordStore[] = [filePasswordStore],
): Promise<void> {
  for (const store of stores) if (await store.write(configFile, password)) return
  throw new PasswordStoreError(`no password store works here (tried ${stores.map((s) => s.name).join(', ')})`)
}

/** Removes the password from all stores. */
export async function deletePassword(configFile: string, stores: readonly PasswordStore[] = [filePasswordStore]): Promise<void> {
  for (const store of stores) await store.delete(configFile)
}
