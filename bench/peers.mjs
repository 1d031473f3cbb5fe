import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const isThere = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** A tool under measurement: each function returns [command, args] for one step in the tool's own folder `work`. */
function kopiaLike(name, command) {
  const env = (work) => ({
    KOPIA_CONFIG_PATH: join(work, 'repository.config'),
    KOPIA_CACHE_DIRECTORY: join(work, 'cache'),
    KOPIA_LOG_DIR: join(work, 'logs'),
    KOPIA_PASSWORD: 'bench',
    KOPIA_CHECK_FOR_UPDATES: 'false',
  })
  return {
    name,
    env,
    command,
    connect: (work) => [command, ['repository', 'connect', 'filesystem', '--path', join(work, 'repository')]],
    create: (work) => {
      mkdirSync(join(work, 'repository'), { recursive: true })
      return [command, ['repository', 'create', 'filesystem', '--path', join(work, 'repository')]]
    },
    compress: () => [command, ['policy', 'set', '--global', '--compression', 'zstd']],
    snapshot: (_work, source) => [command, ['snapshot', 'create', '--no-progress', source]],
    restore: (_work, source, target) => [command, ['restore', source, target, '--no-progress']],
    status: () => [command, ['repository', 'status']],
    list: () => [command, ['snapshot', 'list']],
    upkeep: (work) => ({
      'content verify': ['content', 'verify'],
      'snapshot verify': ['snapshot', 'verify'],
      'sync-to': ['repository', 'sync-to', 'filesystem', '--path', join(work, 'mirror')],
      'full maintenance': ['maintenance', 'run', '--full'],
      'full maintenance after half is deleted': ['maintenance', 'run', '--full', '--safety=none'],
    }),
    deleteAll: (_work, source) => [command, ['snapshot', 'delete', source, '--all-snapshots-for-source', '--delete']],
  }
}

const restic = {
  name: 'restic',
  env: (work) => ({ RESTIC_REPOSITORY: join(work, 'repository'), RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(work, 'cache') }),
  create: () => ['restic', ['init', '-q']],
  snapshot: (_work, source) => ['restic', ['backup', '-q', source]],
  restore: (_work, _source, target) => ['restic', ['restore', '-q', 'latest', '--target', target]],
  status: () => ['restic', ['snapshots', '-q']],
}

let archive = 0
const borg = {
  name: 'borg',
  env: (work) => ({
    BORG_REPO: join(work, 'repository'),
    BORG_PASSPHRASE: 'bench',
    BORG_BASE_DIR: join(work, 'base'),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
  }),
  create: () => ['borg', ['init', '--encryption=repokey-blake2']],
  snapshot: (_work, source) => ['borg', ['create', `::a${++archive}`, source]],
  // borg extracts into the working directory.
  restore: (_work, _source, target) => {
    mkdirSync(target, { recursive: true })
    return ['sh', ['-c', `cd '${target}' && borg extract ::a${archive}`]]
  },
  status: () => ['borg', ['info']],
}

/** The tools that are on this machine, Kura first, and the names of those that are missing. */
export function findPeers(names) {
  const all = [kopiaLike('kura', join(root, 'dist/kura'))]
  const missing = []
  if (process.env.KOPIA_EXE) all.push(kopiaLike('kopia', process.env.KOPIA_EXE))
  else missing.push('kopia (set KOPIA_EXE)')
  for (const [peer, probe] of [
    [restic, ['version']],
    [borg, ['--version']],
  ])
    if (isThere(peer.name, probe)) all.push(peer)
    else missing.push(peer.name)
  return { peers: names ? all.filter((p) => p.name === 'kura' || names.includes(p.name)) : all, missing }
}

export function freshFolder(path) {
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  return path
}
