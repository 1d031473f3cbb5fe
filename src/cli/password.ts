import { UsageError } from '#base/errors.ts'
import { deletePassword, filePasswordStore, type PasswordStore, readPassword, savePassword } from '#repo/repository/password-store.ts'
import type { CommandContext } from './context.ts'
import { CommandError } from './exit.ts'

const maxAttempts = 5

/** The password on the command line or in the environment, without surrounding white space; undefined when not given. */
export const givenPassword = (c: CommandContext): string | undefined => c.globals.password?.trim() || undefined

/** Password of a repository that exists: given, else saved (`lookUp`), else asked for (spec 06, 4.2). */
export async function existingPassword(c: CommandContext, lookUp: boolean): Promise<string> {
  const given = givenPassword(c)
  if (given !== undefined) return given
  const saved = lookUp && c.globals['persist-credentials'] ? await readPassword(c.configFile, await passwordStores(c)) : undefined
  return saved ?? askUntilGiven(c, 'Enter password to open repository: ')
}

/** Password of a repository to be made: given, else asked for until the same is typed twice. */
export async function newPassword(c: CommandContext): Promise<string> {
  return givenPassword(c) ?? askTwice(c, 'Enter password to create new repository: ')
}

/** Asks with `question` until the same password is typed twice. CommandError after too many attempts. */
export async function askTwice(c: CommandContext, question: string): Promise<string> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const first = await askUntilGiven(c, question)
    const second = await askUntilGiven(c, 'Re-enter password for verification: ')
    if (first === second) return first
    c.io.out('Passwords don’t match!')
  }
  throw new CommandError('the two passwords did not agree')
}

async function askUntilGiven(c: CommandContext, prompt: string): Promise<string> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const answer = await c.io.askSecret(prompt)
    if (answer !== '') return answer
  }
  throw new UsageError('no password was given')
}

/** Keeps the password for later commands, or forgets an old one, as `--persist-credentials` says. */
export async function rememberPassword(c: CommandContext, password: string): Promise<void> {
  const stores = await passwordStores(c)
  if (c.globals['persist-credentials']) await savePassword(c.configFile, password, stores)
  else await deletePassword(c.configFile, stores)
}

/** Where passwords are kept, the first choice first (spec 01, 1.22). */
export async function passwordStores(c: CommandContext): Promise<readonly PasswordStore[]> {
  if (!c.globals['use-keyring']) return [filePasswordStore]
  const { keyringPasswordStore } = await import('#repo/repository/keyring.ts')
  return [keyringPasswordStore, filePasswordStore]
}
