import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { type DirectOptions, openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'

/** Who the fixtures were made by. */
export const alice = { hostname: 'laptop', username: 'alice' }

/** Opens a repository in a local folder without configuration or cache, by default as alice@laptop and read-only. */
export async function openFolder(path: string, password: string, options: DirectOptions = {}): Promise<DirectRepository> {
  const storage = await filesystemBackend.open(filesystemOptions(path), false)
  return openRepositoryDirectly(storage, password, { ...options, client: { ...alice, readOnly: true, ...options.client } })
}
