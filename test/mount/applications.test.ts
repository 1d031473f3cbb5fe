import { type ChildProcess, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { repositoryRoot } from '../support/shared.ts'
import { until } from '../support/wait.ts'
import { run, whyNoLiveMounts } from './support/live.ts'
import { startRegistry } from './support/registry.ts'

const hasGio = spawnSync('gio', ['version']).status === 0
/** KDE's library, without a screen; by hand: it needs 126 packages. */
const kio = 'QT_QPA_PLATFORM=offscreen dbus-run-session -- kioclient5 --noninteractive'
const hasKio = spawnSync('bash', ['-c', `${kio} --version`]).status === 0
const vim = ['vim.tiny', 'vim'].find((name) => spawnSync(name, ['--version']).status === 0)
const hasGit = spawnSync('git', ['--version']).status === 0

describe.skipIf(whyNoLiveMounts !== undefined)(`programs in backup/${whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''}`, () => {
  const home = new KuraHome()
  const mountPoint = home.path('mnt')
  const backup = join(mountPoint, 'backup')
  const folder = home.path('folder')
  let daemon: ChildProcess | undefined

  async function mount(): Promise<void> {
    daemon = home.start('mount', 'all', mountPoint, '--flush-after', '1h')
    await until('the mount', () => existsSync(backup))
  }

  /** Runs a script in backup/ that stops at the first failure; what it printed, with its status and errors when it failed. */
  async function shell(script: string): Promise<string> {
    const { status, stdout, stderr } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: backup })
    return status === 0 ? stdout : `status ${status}: ${stdout}${stderr}`
  }

  beforeAll(async () => {
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repo'))
    mkdirSync(mountPoint)
    for (let d = 0; d < 10; d++) {
      mkdirSync(join(folder, `d${d}`), { recursive: true })
      for (let f = 0; f < 20; f++) writeFileSync(join(folder, `d${d}/f${f}`), `${d} ${f} `.repeat(100 * f))
    }
    const made = `cd ${folder}; ln d0/f1 d1/hard; ln -s ../d0/f1 d1/soft; ln -s nowhere d2/dangling; touch -d '2001-02-03 04:05:06.123456789' d3/f3
      chmod 4755 d4/f4; chmod 0400 d4/f5; chown 1000:1001 d5/f5; truncate -s 1M d6/sparse; mkdir -m 1777 sticky; touch -h -d '1999-01-01 00:00:00.000000001' d1/soft d7`
    expect(spawnSync('bash', ['-euc', made]).status).toBe(0)
    await mount()
  })
  afterAll(() => {
    daemon?.kill('SIGKILL')
    spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    home.remove()
  })

  test('rsync -aHX twice transfers nothing the second time, also after a flush and a remount', async () => {
    const again = `rsync -aHXi ${folder}/ rsync/`
    expect(await shell(`rsync -aHX ${folder}/ rsync/; ${again}`)).toBe('')
    await home.ok('flush', mountPoint)
    expect(await shell(again)).toBe('')
    await home.ok('unmount', mountPoint)
    await mount()
    // Kopia's format has no link identity: what was one file with two names is two files then.
    expect(await shell(again)).toMatch(/^(?:hf[^\n]* d1\/hard[^\n]*\n)?$/)
    expect(await shell(again)).toBe('')
  })

  test('rsync in place and sparse, cp -a, cp -al and tar bring back what they were given', async () => {
    expect(
      await shell(`
        cp -a ${folder} cp; diff -r --no-dereference ${folder} cp
        echo changed >>cp/d1/f1; rsync -a --inplace --no-whole-file ${folder}/ cp/; diff -r --no-dereference ${folder} cp
        rsync -aS ${folder}/ sparse/; diff -r --no-dereference ${folder} sparse
        cp -al cp linked; stat -c %h linked/d3/f3; rm -r cp; diff -r --no-dereference ${folder} linked
        tar -C ${folder} -cf all.tar .; mkdir untar; tar -C untar -xpf all.tar; tar -C untar -df all.tar; rsync -aHi ${folder}/ untar/`),
    ).toBe('2\n')
  })

  test.skipIf(!hasGit)(`git clones, commits, rebases, collects and checks${hasGit ? '' : ' (skipped: no git)'}`, async () => {
    const git = 'git -c user.name=a -c user.email=a@b -c init.defaultBranch=main'
    const script = `
      export GIT_CONFIG_NOSYSTEM=1 HOME=${home.root}
      ${git} init -q origin; cd origin; cp -r ${folder}/d1 .; ${git} add .; ${git} commit -qm one; cd ..
      ${git} clone -q origin clone; cd clone
      for i in 1 2 3; do echo $i >>d1/f2; ${git} commit -qam "change $i"; done
      ${git} checkout -qb side HEAD~2; echo side >d1/side; ${git} add .; ${git} commit -qm side; ${git} rebase -q main
      ${git} gc -q; ${git} fsck --strict 2>&1; ${git} status --porcelain; ${git} log --format=%s`
    expect(await shell(script)).toBe('side\nchange 3\nchange 2\nchange 1\none\n')
  })

  test.skipIf(!hasGio)(`the desktop's library copies, moves and throws away${hasGio ? '' : ' (skipped: no gio)'}`, async () => {
    const script = `
      mkdir gio; gio copy ${folder}/d1/f2 gio/copied; gio move gio/copied gio/moved; cmp ${folder}/d1/f2 gio/moved
      gio copy ${folder}/d1/f3 gio/moved; cmp ${folder}/d1/f3 gio/moved
      gio trash gio/moved; ls gio; ls ../.Trash-0/files; cat ../.Trash-0/info/* | grep ^Path; mv ../.Trash-0/files/moved gio/again
      cmp ${folder}/d1/f3 gio/again`
    expect(await shell(script)).toBe('moved\nPath=backup/gio/moved\n')
    await home.ok('flush', mountPoint)
    const latest = join(mountPoint, '*@*/backup/latest')
    expect(
      await shell(
        `gio copy ${latest}/gio/again gio/from-snapshot; cmp gio/again gio/from-snapshot; ls -A ${latest} | grep -i trash || true`,
      ),
    ).toBe('')
  })

  test.skipIf(!hasKio)(`KDE's library copies and moves${hasKio ? '' : ' (skipped: no kioclient5)'}`, async () => {
    const runtime = `XDG_RUNTIME_DIR=${home.path('runtime')} HOME=${home.path('desktop')} ${kio}`
    const copied = `mkdir -m 700 ${home.path('runtime')}; mkdir kio; ${runtime} copy ${folder}/d8 $PWD/kio/ 2>/dev/null; ${runtime} move $PWD/kio/d8 $PWD/kio/moved 2>/dev/null`
    expect(await shell(`${copied}; ls kio; diff -r ${folder}/d8 kio/moved`)).toBe('moved\n')
    await home.ok('flush', mountPoint)
    const latest = join(mountPoint, '*@*/backup/latest')
    expect(await shell(`${runtime} copy $(echo ${latest}/kio/moved) $PWD/kio/again 2>/dev/null; diff -r ${folder}/d8 kio/again`)).toBe('')
  })

  test.skipIf(vim === undefined)(
    `vim edits in place and by renaming, keeps backups, and leaves no swap file${vim ? '' : ' (skipped: no vim)'}`,
    async () => {
      const edit = (settings: string, file: string) =>
        `${vim} -es -u NONE -i NONE -c 'set noswapfile' -c 'set swapfile directory=. backupskip= ${settings}' -c '%s/old/new/' -c 'wq' ${file} </dev/null; `
      expect(
        await shell(`
          mkdir vim; cd vim; for f in a b c; do printf 'old text\\n' >$f; chmod 640 $f; done; ln a hard
          ${edit('backup backupdir=. backupcopy=yes', 'a')} ${edit('backup backupdir=. backupcopy=no', 'b')} ${edit('nobackup writebackup', 'c')}
          cat a b c hard a~ b~; stat -c '%a %h' a b c; ls -A
          cp -p a kept; ${vim} -es -u NONE -i NONE -c 'set directory=.' -c 'preserve' -c 'ls' -c 'cquit' a </dev/null || true
          cmp a kept; ls -A | grep swp || true`),
      ).toBe(`${'new text\n'.repeat(4)}old text\nold text\n640 2\n640 1\n640 1\n${['a', 'a~', 'b', 'b~', 'c', 'hard'].join('\n')}\n`)
    },
  )

  test('npm installs a tree of packages, finds it complete, and its programs run', async () => {
    const registry = await startRegistry()
    try {
      const npm = `npm --registry=${registry.url} --cache=${home.path('npm-cache')} --no-audit --no-fund --no-update-notifier --ignore-scripts`
      const install = (where: string) =>
        `(mkdir ${where}; cd ${where}; echo '{"name":"tree","version":"1.0.0","type":"module"}' >package.json; ${npm} install webdav >/dev/null)`
      const script = `
        ${install('npm')}; ${install(home.path('npm-local'))}; diff -r --no-dereference npm ${home.path('npm-local')}
        cd npm; ls node_modules | wc -l; ${npm} ci >/dev/null; diff -r --no-dereference . ${home.path('npm-local')}
        node -e "import('webdav').then((m) => console.log(typeof m.createClient))"`
      expect(await shell(script)).toMatch(/^[23]\d\nfunction\n$/)
    } finally {
      await registry.stop()
    }
  })

  test.each(['delete', 'wal'])('SQLite keeps its promises with two writers (%s)', async (mode) => {
    const program = join(repositoryRoot, 'test/mount/programs/sqlite.py')
    expect(await shell(`python3 ${program} ${mode}.db ${mode}`)).toBe('(100, 2450)\n')
  })
})
