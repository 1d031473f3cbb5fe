import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DiffEvent } from '#snapshot/diff.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { isSafeName } from '#snapshot/model/raw-name.ts'

export interface FileDiff {
  show(event: DiffEvent): Promise<void>
  close(): void
}

/** Runs the diff command on each changed, added and removed file; its output goes to stdout (spec 06, 9.3). */
export async function openFileDiff(c: CommandContext, repository: Repository, command: string): Promise<FileDiff> {
  const [program, ...args] = command.split(' ')
  if (!program) throw new CommandError('the diff command is empty')
  const folder = mkdtempSync(join(tmpdir(), 'kura-diff-'))
  const extract = async (side: string, path: string, entry: DirectoryEntry | undefined): Promise<string> => {
    if (entry?.type !== 'f' || entry.objectId === '') return '/dev/null'
    const names = path.split('/').filter((n) => n !== '.')
    if (!names.every(isSafeName)) throw new CommandError(`${path} has a name that cannot be written to a file`)
    const place = join(side, ...names)
    mkdirSync(dirname(join(folder, place)), { recursive: true })
    writeFileSync(join(folder, place), await repository.objects.readAll(entry.objectId))
    return place
  }
  return {
    async show(event) {
      if (event.kind === 'attribute' || event.kind === 'type') return
      const before = event.kind === 'changed' ? event.before : event.kind === 'removed' ? event.entry : undefined
      const after = event.kind === 'changed' ? event.after : event.kind === 'added' ? event.entry : undefined
      if ((before ?? after)?.type !== 'f') return
      const places = [await extract('old', event.path, before), await extract('new', event.path, after)]
      const { stdout, stderr, error } = spawnSync(program, [...args, ...places], { cwd: folder, maxBuffer: 1 << 30 })
      if (error && stdout === null) throw new CommandError(`cannot run ${program}: ${error.message}`, { cause: error })
      c.io.write(stdout)
      c.io.write(stderr)
      for (const place of places) if (place !== '/dev/null') rmSync(join(folder, place), { force: true })
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
