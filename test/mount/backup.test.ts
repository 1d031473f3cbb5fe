import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { liveMounts, run, whyNoLiveMounts } from './support/live.ts'

/** Runs a shell script that fails at the first wrong command; resolves with what it said. */
async function shell(script: string, cwd: string): Promise<string> {
  const { status, stdout, stderr } = await run('bash', ['-euc', script], { cwd })
  return status === 0 ? stdout : `status ${status}: ${stdout}${stderr}`
}

describe.skipIf(whyNoLiveMounts !== undefined)(`backup/ of a live mount${whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''}`, () => {
  const start = liveMounts()
  let place = ''
  beforeAll(() => {
    place = mkdtempSync(join(tmpdir(), 'kura-backup-'))
    mkdirSync(join(place, 'tree/sub'), { recursive: true })
    writeFileSync(join(place, 'tree/a.txt'), 'one two three')
    writeFileSync(join(place, 'tree/sub/b.txt'), 'bee')
  })
  afterAll(() => rmSync(place, { recursive: true, force: true }))

  const mounted = async (name: string, more: object = {}) =>
    start({ folder: join(place, 'tree'), spool: join(place, `spool-${name}`), ...more })

  test('shows the newest snapshot, takes changes, and leaves the snapshot as it was', async () => {
    const mount = await mounted('changes')
    const script = `
      cat backup/a.txt backup/sub/b.txt
      echo new >backup/new.txt; printf TWO | dd of=backup/a.txt bs=1 seek=4 conv=notrunc status=none
      mkdir backup/d; mv backup/sub backup/d/moved; ln backup/new.txt backup/d/hard; ln -s x backup/link
      echo; cat backup/a.txt; echo; cat backup/d/moved/b.txt backup/d/hard; stat -c %h backup/new.txt
      find backup | sort; cat user@host/src_tree/latest/a.txt`
    expect((await shell(script, mount.mountPoint)).split('\n')).toEqual([
      'one two threebee',
      'one TWO three',
      'beenew',
      '2',
      'backup',
      'backup/a.txt',
      'backup/d',
      'backup/d/hard',
      'backup/d/moved',
      'backup/d/moved/b.txt',
      'backup/link',
      'backup/new.txt',
      'one two three',
    ])
  })

  test('keeps what it took over a kill of its process', async () => {
    const mount = await mounted('kill')
    expect(await shell('echo kept >backup/kept; rm backup/a.txt; mkdir backup/e; mv backup/kept backup/e/', mount.mountPoint)).toBe('')
    mount.process.kill('SIGKILL')
    await mount.exited
    spawnSync('umount', ['-l', mount.mountPoint])
    const again = await mounted('kill')
    expect(await shell('cat backup/e/kept; ls backup', again.mountPoint)).toBe('kept\ne\nsub\n')
  })

  test('a rename or link between a snapshot and backup/ is EXDEV, a write into a snapshot EROFS', async () => {
    const mount = await mounted('wings')
    const script = `
      cd user@host/src_tree/latest/
      python3 - <<'END'
import os, errno
for f in (lambda: os.rename('a.txt', '../../../backup/x'), lambda: os.link('a.txt', '../../../backup/x'), lambda: open('n', 'w'), lambda: os.unlink('a.txt')):
  try: f()
  except OSError as e: print(errno.errorcode[e.errno])
END`
    expect(await shell(script, mount.mountPoint)).toBe('EXDEV\nEXDEV\nEROFS\nEROFS\n')
  })

  test('cp out of a snapshot into backup/ asks for no data', async () => {
    const mount = await mounted('copy', { trace: true })
    expect(await shell('cp -p user@host/src_tree/latest/a.txt backup/back; cat backup/back', mount.mountPoint)).toBe('one two three')
    const lines = mount.events.flatMap((e) => (e.event === 'trace' ? [e.line?.split(' ')[0]] : []))
    expect(lines).toContain('COPY_FILE_RANGE_64')
    expect(lines).not.toContain('WRITE')
  })

  test('with a write-back cache small writes come together, and times, cuts and appends are as told', async () => {
    const mount = await mounted('writeback', { trace: true, options: { writebackCache: true } })
    const script = `
      cd backup
      dd if=/dev/urandom of=../../small bs=4k count=256 status=none
      dd if=../../small of=small bs=4k status=none
      printf one >log; printf two >>log; printf TW | dd of=log bs=1 seek=3 conv=notrunc status=none
      cp -p small kept; touch -d '2001-02-03 04:05:06.123456789' kept; truncate -s 5000 small
      sync small kept log; cmp -n 5000 small ../../small && cat log && stat -c '%s %y' small kept`
    const said = await shell(`TZ=UTC; export TZ; ${script}`, mount.mountPoint)
    expect(said).toMatch(/^oneTWo5000 .*\n1048576 2001-02-03 04:05:06.123456789 /)
    const writes = mount.events.filter((e) => e.event === 'trace' && e.line?.startsWith('WRITE '))
    expect(writes.length).toBeLessThan(60)
    mount.order({ do: 'unmount' })
    await mount.exited
    const again = await mounted('writeback')
    const kept = await shell(`cd backup; TZ=UTC stat -c '%s %y' kept; cmp kept ../../small; cat log; stat -c %s small`, again.mountPoint)
    expect(kept).toBe('1048576 2001-02-03 04:05:06.123456789 +0000\noneTWo5000\n')
  })

  test('the files and attributes of .kura are served, uncached, beside the other ways to the snapshots', async () => {
    const mount = await mounted('control')
    const views = ['by-id', 'by-tag', 'by-time']
    const names = [...views, 'errors', 'flush', 'last-snapshot', 'status', 'versions']
    expect((await readdir(join(mount.mountPoint, '.kura'))).sort()).toEqual(names)
    expect(await readFile(join(mount.mountPoint, '.kura/status'), 'utf8')).toBe('content of status\n')
    expect((await readdir(mount.mountPoint)).sort()).toEqual(['backup', 'user@host'])
    const script = `echo now >.kura/flush; sync .kura/flush 2>&1 || true; getfattr --only-values -n user.kura.state backup 2>/dev/null || true`
    expect(await shell(script, mount.mountPoint)).toContain('No space left on device')
    expect(mount.events.find((e) => e.event === 'control')?.message).toBe('flush: now\n')
  })

  test('files and folders of a snapshot say what they are', async () => {
    const mount = await mounted('names')
    const script = `python3 - <<'END'
import os
base = 'user@host/src_tree/latest/'
for path in ('sub/b.txt', 'sub', '.'):
  print(*[os.getxattr(base + path, 'user.kura.' + n).decode() for n in ('source', 'path')])
  print(os.getxattr(base + path, 'user.kura.object').decode().endswith(os.getxattr(base + path, 'user.kura.hash').decode()))
print(os.listxattr(base + 'sub/b.txt'))
END`
    expect(await shell(script, mount.mountPoint)).toBe(
      'user@host:/src/tree sub/b.txt\nTrue\nuser@host:/src/tree sub\nTrue\nuser@host:/src/tree \nTrue\n[]\n',
    )
  })

  test('several sources are folders of backup/', async () => {
    const mount = await mounted('several', { sources: ['user@host:/src/tree', 'user@host:/other'] })
    expect((await readdir(join(mount.mountPoint, 'backup'))).sort()).toEqual(['other', 'tree'])
    expect(await shell('echo x >backup/other/x; mv backup/other/x backup/tree/; ls backup/tree backup/other', mount.mountPoint)).toBe(
      'backup/other:\n\nbackup/tree:\na.txt\nsub\nx\n',
    )
  })

  test('two mounts of one source, a spool in the mount, and a folder that is not empty are refused', async () => {
    await mounted('twice')
    await expect(mounted('twice')).rejects.toThrow(/in use|another/)
    const full = mkdtempSync(join(place, 'full-'))
    writeFileSync(join(full, 'x'), '')
    await expect(mounted('full', { mountPoint: full, options: { allowNonEmpty: true } })).rejects.toThrow('not empty')
    const inside = mkdtempSync(join(place, 'inside-'))
    await expect(mounted('', { mountPoint: inside, spool: join(inside, 'spool') })).rejects.toThrow('is in it')
  })

  test('O_TMPFILE, exchange, no-replace, holes and open files without a name', async () => {
    const mount = await mounted('special')
    const script = `python3 - <<'END'
import os, ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o640)
os.write(fd, b'nameless'); print(os.fstat(fd).st_nlink)
assert libc.linkat(-100, f'/proc/self/fd/{fd}'.encode(), -100, b'named', 0x400) == 0
print(open('named').read(), oct(os.stat('named').st_mode & 0o777))
open('p', 'w').write('p'); open('q', 'w').write('q')
print(libc.renameat2(-100, b'p', -100, b'q', 2), open('p').read(), open('q').read())
print(libc.renameat2(-100, b'p', -100, b'q', 1), errno.errorcode[ctypes.get_errno()])
f = open('p', 'r+'); os.unlink('p'); f.write('still'); f.flush(); f.seek(0); print(f.read())
h = os.open('h', os.O_RDWR | os.O_CREAT); os.pwrite(h, b'x' * 4096, 65536); print(os.lseek(h, 0, os.SEEK_DATA), os.lseek(h, 65536, os.SEEK_HOLE))
try: os.mknod('dev', 0o20600, os.makedev(1, 3))
except OSError as e: print(errno.errorcode[e.errno])
os.mkfifo('fifo'); os.utime('h', ns=(1, -123456789)); print(os.stat('h').st_mtime_ns)
END`
    expect(await shell(script, join(mount.mountPoint, 'backup'))).toBe(
      '0\nnameless 0o640\n0 q p\n-1 EEXIST\nstill\n65536 69632\nEPERM\n-123456789\n',
    )
    expect(statSync(join(mount.mountPoint, 'backup/fifo')).isFIFO()).toBe(true)
  })
})
