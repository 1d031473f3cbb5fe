import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { goString } from '#base/go-json.ts'
import { KuraHome } from '../support/kura.ts'
import { openFolder } from '../support/open-fixture.ts'
import { contentBytes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'

const home = new KuraHome()
const source = home.path('source')
const repository = home.path('repository')
const password = 'test-password'
let root: string

beforeAll(async () => {
  mkdirSync(join(source, 'folder'), { recursive: true })
  writeFileSync(join(source, 'file.txt'), 'from the snapshot\n')
  writeFileSync(join(source, 'folder/inner.txt'), 'inner\n')
  writeFileSync(join(source, 'readonly.txt'), 'read only\n', { mode: 0o444 })
  symlinkSync('file.txt', join(source, 'link'))
  await home.ok('repository', 'create', 'filesystem', '--path', repository)
  const made = JSON.parse(await home.ok('snapshot', 'create', source, '--json')) as { rootEntry: { obj: string } }
  root = made.rootEntry.obj
})
afterAll(() => home.remove())

let targets = 0
const newTarget = (): string => home.path(`target-${targets++}`)

/** Writes directory objects by hand; `entries` is the JSON text of their list. Returns the object ID. */
async function hostileDirectory(entries: (object: string) => string): Promise<string> {
  await using r = await openFolder(repository, password, { client: { readOnly: false } })
  const options = { compressor: '', metadataCompressor: '', splitter: '' }
  const [data] = await r.objects.writeMany([{ data: Buffer.from('hostile\n'), options: { ...options, prefix: '' } }])
  const summary = '{"size":8,"files":1,"symlinks":0,"dirs":1,"maxTime":"2024-01-01T00:00:00Z","numFailed":0}'
  const text = `{"stream":"kopia:directory","entries":[${entries(data ?? '')}],"summary":${summary}}\n`
  const [id] = await r.objects.writeMany([{ data: Buffer.from(text), options: { ...options, prefix: 'k' } }])
  await r.flush()
  return id ?? ''
}

const entry = (name: string, type: string, object: string): string =>
  `{"name":${goString(name)},"type":"${type}","mode":"0644","size":8,"mtime":"2024-01-01T00:00:00Z","obj":"${object}"}`

describe('what stands in the target', () => {
  test('a link to a folder is never written through', async () => {
    const [target, outside] = [newTarget(), newTarget()]
    mkdirSync(target)
    mkdirSync(outside)
    symlinkSync(outside, join(target, 'folder'))
    const run = await home.run('restore', root, target)
    expect(run.status).toBe(1)
    expect(run.stderr).toContain('folder')
    expect(readdirSync(outside)).toEqual([])
    // The rest is restored all the same.
    expect(readFileSync(join(target, 'file.txt'), 'utf8')).toBe('from the snapshot\n')
  })

  test('a link to a file is replaced, what it points at is not touched', async () => {
    const [target, outside] = [newTarget(), newTarget()]
    mkdirSync(target)
    writeFileSync(outside, 'precious')
    symlinkSync(outside, join(target, 'file.txt'))
    await home.ok('restore', root, target)
    expect(readFileSync(outside, 'utf8')).toBe('precious')
    expect(lstatSync(join(target, 'file.txt')).isFile()).toBe(true)
  })

  test('read-only files are restored again', async () => {
    const target = newTarget()
    await home.ok('restore', root, target)
    await home.ok('restore', root, target)
    expect(readFileSync(join(target, 'readonly.txt'), 'utf8')).toBe('read only\n')
    expect(statSync(join(target, 'readonly.txt')).mode & 0o777).toBe(0o444)
  })

  test('--skip-existing leaves what is the same alone and restores the rest', async () => {
    const target = newTarget()
    await home.ok('restore', root, target)
    const inode = statSync(join(target, 'file.txt')).ino
    rmSync(join(target, 'folder/inner.txt'))
    writeFileSync(join(target, 'readonly.txt.new'), '')
    const run = await home.run('restore', root, target, '--skip-existing')
    expect(run.status).toBe(0)
    expect(run.stderr).toMatch(/skipped \d+/)
    expect(statSync(join(target, 'file.txt')).ino).toBe(inode)
    expect(existsSync(join(target, 'folder/inner.txt'))).toBe(true)
    utimesSync(join(target, 'file.txt'), 1, 1)
    await home.ok('restore', root, target, '--skip-existing')
    // The new file may well get the inode of the old one again; its time tells that it was restored.
    expect(statSync(join(target, 'file.txt')).mtimeMs).toBeGreaterThan(1000)
  })

  test('--no-overwrite-files and --no-overwrite-symlinks keep what is there, and say so', async () => {
    const target = newTarget()
    mkdirSync(target)
    writeFileSync(join(target, 'file.txt'), 'mine')
    symlinkSync('mine', join(target, 'link'))
    const run = await home.run('restore', root, target, '--no-overwrite-files', '--no-overwrite-symlinks')
    expect(run.status).toBe(1)
    expect(readFileSync(join(target, 'file.txt'), 'utf8')).toBe('mine')
    expect(readlinkSync(join(target, 'link'))).toBe('mine')
    expect(readFileSync(join(target, 'folder/inner.txt'), 'utf8')).toBe('inner\n')
  })

  test('a file where the snapshot has a folder is reported, not removed', async () => {
    const target = newTarget()
    mkdirSync(target)
    writeFileSync(join(target, 'folder'), 'mine')
    const run = await home.run('restore', root, target)
    expect(run.status).toBe(1)
    expect(readFileSync(join(target, 'folder'), 'utf8')).toBe('mine')
  })

  test('--delete-extra removes what the snapshot has not, links unfollowed', async () => {
    const [target, outside] = [newTarget(), newTarget()]
    await home.ok('restore', root, target)
    mkdirSync(outside)
    writeFileSync(join(outside, 'precious'), 'x')
    symlinkSync(outside, join(target, 'extra-link'))
    mkdirSync(join(target, 'extra-folder/deep'), { recursive: true })
    writeFileSync(join(target, 'folder/extra'), '')
    await home.ok('restore', root, target, '--delete-extra')
    expect(Object.keys(listTree(target)).sort()).toEqual(Object.keys(listTree(source)).sort())
    expect(readdirSync(outside)).toEqual(['precious'])
  })
})

describe('what stands in the repository', () => {
  test.each(['../evil.txt', '..', '.', '', 'a/b', '/etc/evil.txt', 'zero\0byte'])(
    'the name %j is refused, its neighbours restored',
    async (name) => {
      const target = newTarget()
      const id = await hostileDirectory((object) => [entry(name, 'f', object), entry('good.txt', 'f', object)].join(','))
      const run = await home.run('restore', id, target)
      expect(run.status).toBe(1)
      expect(run.stderr).not.toContain('internal error')
      expect(readdirSync(target)).toEqual(['good.txt'])
      expect(existsSync(join(target, '../evil.txt'))).toBe(false)
    },
  )

  test('a link followed by a folder of the same name writes nowhere else', async () => {
    const [target, outside] = [newTarget(), newTarget()]
    mkdirSync(outside)
    const inner = await hostileDirectory((object) => entry('planted.txt', 'f', object))
    await using r = await openFolder(repository, password, { client: { readOnly: false } })
    const [link] = await r.objects.writeMany([
      { data: Buffer.from(outside), options: { prefix: '', compressor: '', metadataCompressor: '', splitter: '' } },
    ])
    await r.flush()
    const id = await hostileDirectory(() => [entry('x', 's', link ?? ''), entry('x', 'd', inner)].join(','))
    await home.run('restore', id, target)
    expect(readdirSync(outside)).toEqual([])
  })

  test('an entry of a kind that nobody knows is reported', async () => {
    const target = newTarget()
    const id = await hostileDirectory((object) => [entry('odd', 'q', object), entry('good.txt', 'f', object)].join(','))
    const run = await home.run('restore', id, target)
    expect(run.status).toBe(1)
    expect(run.stderr).toContain('odd')
    expect(readdirSync(target)).toEqual(['good.txt'])
  })
})

describe('a damaged repository', () => {
  test('one pack that is damaged costs only what is in it: all else is restored, each failure named', async () => {
    const other = new KuraHome()
    const place = other.path('repository')
    const from = other.path('from')
    mkdirSync(from)
    for (let i = 0; i < 8; i++) writeFileSync(join(from, `file-${i}`), contentBytes({ gen: 'random', seed: i + 50, size: 100_000 }))
    await other.ok('repository', 'create', 'filesystem', '--path', place)
    const made = JSON.parse(await other.ok('snapshot', 'create', from, '--json')) as { id: string; rootEntry: { obj: string } }
    // Two of the files, in the middle of their contents.
    const spoilt = ['file-2', 'file-5']
    for (const name of spoilt) {
      const object =
        (await other.ok('ls', '-o', made.rootEntry.obj))
          .split('\n')
          .find((l) => l.endsWith(` ${name}`))
          ?.split(' ')[0] ?? ''
      const row = (
        JSON.parse(await other.ok('content', 'list', '--json')) as { contentID: string; packFile: string; packOffset?: number }[]
      ).find((c) => c.contentID === object)
      const file = packPath(place, row?.packFile ?? '')
      const bytes = readFileSync(file)
      const at = (row?.packOffset ?? 0) + 5000
      bytes[at] = (bytes[at] as number) ^ 0x40
      writeFileSync(file, bytes)
    }
    await other.ok('cache', 'clear')
    const target = other.path('target')
    const run = await other.run('restore', made.id, target)
    expect(run.status).toBe(1)
    for (const name of spoilt) expect(run.stderr).toContain(name)
    const [wanted, got] = [listAsRestored(from), listTree(target)]
    for (const name of spoilt) delete wanted[name]
    expect(got).toEqual(wanted)
    const ignoring = await other.run('restore', made.id, other.path('target-2'), '--ignore-errors')
    expect(ignoring.status).toBe(0)
    expect(ignoring.stderr).toContain('file-2')
    const verify = await other.run('content', 'verify', '--full')
    expect(verify.status).toBe(1)
    other.remove()
  })
})

function packPath(place: string, pack: string): string {
  const found = readdirSync(place, { recursive: true, withFileTypes: true }).find(
    (e) => e.isFile() && join(e.parentPath, e.name).slice(place.length).replaceAll('/', '') === `${pack}.f`,
  )
  if (!found) throw new Error(`no file of ${pack}`)
  return join(found.parentPath, found.name)
}
