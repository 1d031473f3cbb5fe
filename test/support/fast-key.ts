import { createHash } from 'node:crypto'
import type { KeyDerivation } from '#repo/repository/format-watch.ts'

/** Stands in for the password key derivation, which is slow on purpose, where a test is about something else. */
export const fastKey: KeyDerivation = async (algorithm, password, salt) =>
  createHash('sha256').update(algorithm).update(password).update(salt).digest()
