import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { scratchFolders } from '../support/scratch.ts'
import { isFuseNativeThere, liveMounts, run, whyNoLiveMounts } from './support/live.ts'
import { makeSourceTree } from './support/source-tree.ts'

const scratch = scratchFolders()
let source = ''

interface Setup {
  readonly name: string
  readonly driver: string
  readonly env?: NodeJS.ProcessEnv
  readonly asNobody?: boolean
  readonly why: string | undefined
  /** The package fuse-native keeps milliseconds and times since 1970. */
  readonly coarse?: boolean
}

const setups: Setup[] = [
  { name: 'kernel driver with the addon', driver: 'kernel', why: whyNoLiveMounts },
  { name: 'kernel driver without the addon', driver: 'kernel', env: { KURA_NATIVE: '0' }, why: whyNoLiveMounts },
  {
    name: 'fuse-native',
    driver: 'fuse-native',
    coarse: true,
    why: whyNoLiveMounts ?? (isFuseNativeThere ? undefined : 'package not built'),
  },
]

beforeAll(() => {
  source = scratch()
  makeSourceTree(source)
})

for (const setup of setups)
  describe.skipIf(setup.why !== undefined)(`${setup.name}${setup.why === undefined ? '' : ` (skipped: ${setup.why})`}`, () => {
    const serve = liveMounts()
    const start = () => serve({ folder: source, driver: setup.driver, ...(setup.env && { env: setup.env }) })

    test('shows the same attributes as the source', async () => {
      const { tree } = await start()
      const walk = (path: string): string[] => {
        const found = lstatSync(join(source, path), { bigint: true })
        const shown = lstatSync(join(tree, path), { bigint: true })
        const pick = (s: typeof found) => ({ path, mode: s.mode, uid: s.uid, gid: s.gid, size: s.isDirectory() ? 0n : s.size })
        expect(pick(shown)).toEqual(pick(found))
        if (path !== '' && setup.coarse !== true) expect({ path, time: shown.mtimeNs }).toEqual({ path, time: found.mtimeNs })
        if (!found.isDirectory()) expect(shown.blocks).toBe((found.size + 511n) / 512n)
        if (found.isSymbolicLink()) expect(readlinkSync(join(tree, path))).toBe(readlinkSync(join(source, path)))
        return found.isDirectory() ? [path, ...readdirSync(join(source, path)).flatMap((n) => walk(join(path, n)))] : [path]
      }
      expect(walk('').length).toBeGreaterThan(25)
      expect(readdirSync(join(tree, 'names')).sort()).toEqual(readdirSync(join(source, 'names')).sort())
    })

    test('gives find, diff, tar, du, grep and cp what the source gives them', async () => {
      const { tree } = await start()
      expect(await run('diff', ['-r', '--no-dereference', source, tree])).toEqual({ status: 0, stdout: '', stderr: '' })
      const names = async (root: string) =>
        (await run('find', ['.', '-printf', '%P %y %m %s %l\\n'], { cwd: root })).stdout.split('\n').sort()
      const withoutDirectorySizes = (lines: string[]) => lines.map((l) => l.replace(/ d (\d+) \d+/, ' d $1'))
      expect(withoutDirectorySizes(await names(`${tree}/.`))).toEqual(withoutDirectorySizes(await names(source)))
      const copy = scratch()
      expect((await run('cp', ['-a', `${tree}/.`, `${copy}/`])).status).toBe(0)
      expect((await run('diff', ['-r', '--no-dereference', source, copy])).status).toBe(0)
      const sum = async (root: string) =>
        createHash('md5')
          .update((await run('sh', ['-c', `tar -C '${root}' --sort=name --mtime=@0 -cf - . | md5sum`])).stdout)
          .digest('hex')
      expect(await sum(tree)).toBe(await sum(source))
      expect((await run('du', ['-s', '--apparent-size', '-b', `${tree}/big`])).stdout.split('\t')[0]).toBe(
        (await run('du', ['-s', '--apparent-size', '-b', `${source}/big`])).stdout.split('\t')[0],
      )
      expect((await run('grep', ['-rl', 'bottom', tree])).stdout.trim()).toBe(join(tree, 'deep/er/and/deeper/file'))
    })

    test('lets rsync find nothing to do after a copy', async () => {
      const { tree } = await start()
      const copy = scratch()
      expect((await run('rsync', ['-a', `${tree}/`, `${copy}/`])).status).toBe(0)
      const again = await run('rsync', ['-a', '--itemize-changes', `${tree}/`, `${copy}/`])
      expect(again).toEqual({ status: 0, stdout: '', stderr: '' })
      if (setup.coarse !== true)
        expect((await run('rsync', ['-an', '--itemize-changes', '--omit-dir-times', `${source}/`, `${copy}/`])).stdout).toBe('')
    })

    test('reads random ranges right, 16 at a time', async () => {
      const { tree } = await start()
      const [shown, stored] = await Promise.all([open(join(tree, 'big/five-parts')), open(join(source, 'big/five-parts'))])
      try {
        const size = (await stored.stat()).size
        let state = 7
        const random = (below: number): number => {
          state = (state * 1103515245 + 12345) & 0x7fffffff
          return state % below
        }
        const check = async (): Promise<void> => {
          for (let i = 0; i < 30; i++) {
            const at = random(size)
            const length = 1 + random(300_000)
            const [a, b] = [Buffer.alloc(length), Buffer.alloc(length)]
            const [x, y] = await Promise.all([shown.read(a, 0, length, at), stored.read(b, 0, length, at)])
            expect(x.bytesRead).toBe(y.bytesRead)
            expect(a.equals(b)).toBe(true)
          }
        }
        await Promise.all(Array.from({ length: 16 }, check))
      } finally {
        await Promise.all([shown.close(), stored.close()])
      }
    })

    test('refuses every change', async () => {
      const { tree } = await start()
      for (const command of [
        'touch new',
        'echo x > hello.txt',
        'rm hello.txt',
        'mkdir d',
        'mv hello.txt h',
        'ln hello.txt h',
        'chmod 1 hello.txt',
      ]) {
        const result = await run('sh', ['-c', command], { cwd: tree })
        expect(result.status, command).not.toBe(0)
        expect(result.stderr, command).toContain('Read-only file system')
      }
    })
  })
