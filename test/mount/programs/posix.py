"""posix.py DIR [MOUNT SNAPSHOT]: what POSIX and Linux say of each call on files, as root and as ordinary users, in a directory that all may search.

The cases are those of the groups of pjdfstest. With MOUNT the few exceptions of backup/ hold (device nodes), and everything in the
folder SNAPSHOT must be EROFS. Prints what was wrong, then "N cases, N wrong".
"""
import errno, os, pickle, shutil, socket, stat, subprocess, sys, time

base = os.path.join(sys.argv[1], 'posix')
is_mount = len(sys.argv) > 2
A, B, G, H = 65001, 65002, 64001, 64002
kinds = ['regular', 'directory', 'fifo', 'symlink', 'socket']
cases = wrong = 0
group = ''


def check(what, got, want):
    global cases, wrong
    cases += 1
    if got != want:
        wrong += 1
        print(f'{group}: {what}: {got}, not {want}')


def call(act, *args, **more):
    try:
        act(*args, **more)
        return 'ok'
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))


def as_user(uid, gid, act, *args, groups=(), umask=0, **more):
    """What `call` gives when it is done by somebody else."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(list(groups))
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.umask(umask)
            os.write(w, pickle.dumps(call(act, *args, **more)))
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r, 'rb') as f:
        answer = f.read()
    os.waitpid(pid, 0)
    return pickle.loads(answer) if answer else 'died'


def at(*parts):
    return os.path.join(base, *parts)


def opened(path, flags, mode=0o644, act=None):
    fd = os.open(path, flags, mode)
    try:
        return act(fd) if act else None
    finally:
        os.close(fd)


def file(path, content=b'content', mode=0o644, uid=0, gid=0):
    opened(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600, lambda fd: os.write(fd, content))
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return path


def folder(path, mode=0o755, uid=0, gid=0):
    os.mkdir(path)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return path


def make(kind, path, mode=0o644, uid=0, gid=0):
    if kind == 'regular':
        return file(path, mode=mode, uid=uid, gid=gid)
    if kind == 'directory':
        return folder(path, mode, uid, gid)
    if kind == 'fifo':
        os.mkfifo(path)
    elif kind == 'socket':
        os.mknod(path, stat.S_IFSOCK | 0o644)
    else:
        os.symlink('nowhere', path)
        os.lchown(path, uid, gid)
        return path
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return path


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def mode_of(path):
    return oct(os.lstat(path).st_mode & 0o7777)


def touched(paths, act, *args, **more):
    """Which times of the paths a call moves: 'cm', 'c', 'm' or '' each. Times go in ticks of the system's clock."""
    before = {p: os.lstat(p) for p in paths}
    time.sleep(0.015)
    answer = call(act, *args, **more)
    moved = []
    for p in paths:
        s = os.lstat(p)
        moved.append('c' * (s.st_ctime_ns > before[p].st_ctime_ns) + 'm' * (s.st_mtime_ns > before[p].st_mtime_ns))
    return [answer] + moved


# Calls by name, each on one path; `two`: those that make a second name.
calls = {
    'chmod': lambda p: os.chmod(p, 0o600),
    'chown': lambda p: os.chown(p, 1, 1),
    'lchown': lambda p: os.lchown(p, 1, 1),
    'mkdir': lambda p: os.mkdir(p),
    'mkfifo': lambda p: os.mkfifo(p),
    'mknod': lambda p: os.mknod(p, stat.S_IFSOCK | 0o600),
    'open': lambda p: opened(p, os.O_RDONLY),
    'create': lambda p: opened(p, os.O_CREAT | os.O_WRONLY),
    'rmdir': os.rmdir,
    'unlink': os.unlink,
    'symlink': lambda p: os.symlink('target', p),
    'truncate': lambda p: os.truncate(p, 3),
    'utimensat': lambda p: os.utime(p, ns=(1, 1)),
    'link from': lambda p: os.link(p, at('made')),
    'link to': lambda p: os.link(at('plain'), p),
    'rename from': lambda p: os.rename(p, at('made')),
    'rename to': lambda p: os.rename(at('plain'), p),
    'stat': os.stat,
    'readlink': os.readlink,
}
makers = {'mkdir', 'mkfifo', 'mknod', 'create', 'symlink', 'link to', 'rename to'}


def paths():
    """Path errors that all calls share."""
    file(at('plain'))
    os.symlink('loop2', at('loop1'))
    os.symlink('loop1', at('loop2'))
    folder(at('closed'), 0o644, A, G)
    os.chmod(base, 0o777)
    for name, act in calls.items():
        check(f'{name} below what is missing', call(act, at('missing/x')), 'ENOENT')
        check(f'{name} below a file', call(act, at('plain/x')), 'ENOTDIR')
        check(f'{name} of a name of 256 bytes', call(act, at('x' * 256)), 'ENAMETOOLONG')
        check(f'{name} of a path that is too long', call(act, at(*['d' * 200] * 21)), 'ENAMETOOLONG')
        check(f'{name} through a loop of links', call(act, at('loop1/x')), 'ELOOP')
        check(f'{name} in a folder that may not be searched', as_user(A, G, act, at('closed/x')), 'EACCES')
        if name not in makers:
            check(f'{name} of what is missing', call(act, at('missing')), 'ENOENT')
        if name in ('chmod', 'chown', 'open', 'truncate', 'utimensat', 'stat'):
            check(f'{name} of a loop of links', call(act, at('loop1')), 'ELOOP')
    for act in makers - {'rename to'}:
        longest = at('y' * 255)
        check(f'{act} of a name of 255 bytes', call(calls[act], longest), 'ok')
        remove(longest)
    for act in makers | {'unlink', 'rmdir'}:
        folder(at('sealed'), 0o755)
        if act in ('unlink', 'rmdir'):
            make('regular' if act == 'unlink' else 'directory', at('sealed/x'))
        os.chown(at('plain'), A, G)
        check(f'{act} in a folder that may not be written', as_user(A, G, calls[act], at('sealed/x')), 'EACCES')
        remove(at('sealed'))
    for act in makers - {'rename to', 'create'}:
        for kind in kinds:
            make(kind, at('there'))
            check(f'{act} where a {kind} is', call(calls[act], at('there')), 'EEXIST')
            remove(at('there'))


def chmod():
    for kind in kinds:
        if kind == 'symlink':
            continue
        p = make(kind, at('x'), uid=A, gid=G)
        for mode in (0o0, 0o111, 0o644, 0o755, 0o1777, 0o2755, 0o4755, 0o7777):
            os.chmod(p, mode)
            check(f'of a {kind} to {mode:o}', mode_of(p), oct(mode))
        check(f'of a {kind} moves its ctime', touched([p], os.chmod, p, 0o640), ['ok', 'c'])
        check(f'of a {kind} by another', as_user(B, G, os.chmod, p, 0o777), 'EPERM')
        check(f'of a {kind} by its owner', as_user(A, G, os.chmod, p, 0o600), 'ok')
        check(f'of a {kind} by its owner, seen', mode_of(p), oct(0o600))
        remove(p)
    p = file(at('x'), uid=A, gid=G)
    as_user(A, H, os.chmod, p, 0o2755)
    check('setgid for a group that the owner is not in', mode_of(p), oct(0o755))
    as_user(A, H, os.chmod, p, 0o2755, groups=[G])
    check('setgid for a group that the owner is in', mode_of(p), oct(0o2755))
    os.symlink('x', at('l'))
    os.chmod(at('l'), 0o611)
    check('goes through links', mode_of(p), oct(0o611))
    check('that fails leaves the ctime', touched([p], lambda: as_user(B, H, os.chmod, p, 0o600)), ['ok', ''])


def chown():
    for kind in kinds:
        p = make(kind, at('x'))
        os.lchown(p, A, G)
        s = os.lstat(p)
        check(f'of a {kind}', (s.st_uid, s.st_gid), (A, G))
        check(f'of a {kind} moves its ctime', touched([p], os.lchown, p, A, H), ['ok', 'c'])
        check(f'of a {kind} by another', as_user(B, G, os.lchown, p, B, G), 'EPERM')
        check(f'of a {kind} to another by its owner', as_user(A, G, os.lchown, p, B, -1), 'EPERM')
        check(f'of a {kind} to a group of its owner', as_user(A, H, os.lchown, p, -1, G, groups=[G]), 'ok')
        check(f'of a {kind} to a group of others', as_user(A, G, os.lchown, p, -1, H), 'EPERM')
        check(f'of a {kind} to what it has', as_user(A, G, os.lchown, p, A, G), 'ok')
        os.lchown(p, -1, -1)
        check(f'of a {kind} to nobody', (os.lstat(p).st_uid, os.lstat(p).st_gid), (A, G))
        remove(p)
    for mode, kept in ((0o6755, 0o755), (0o4711, 0o711), (0o2755, 0o755), (0o6644, 0o2644)):
        p = file(at('x'), mode=mode, uid=A, gid=G)
        as_user(A, G, os.chown, p, -1, H, groups=[H])
        check(f'by the owner takes set-id bits of {mode:o}', mode_of(p), oct(kept))
        remove(p)
    p = folder(at('x'), 0o6755, A, G)
    as_user(A, G, os.chown, p, -1, H, groups=[H])
    check('leaves the bits of folders', mode_of(p), oct(0o6755))
    os.symlink('x', at('l'))
    os.chown(at('l'), B, H)
    check('goes through links', (os.lstat(p).st_uid, os.lstat(at('l')).st_uid), (B, 0))


def link():
    for kind in kinds:
        p = make(kind, at('x'))
        if kind == 'directory':
            check('of a directory', call(os.link, p, at('y')), 'EPERM')
            remove(p)
            continue
        check(f'of a {kind} moves times', touched([p, base], os.link, p, at('y'), follow_symlinks=False), ['ok', 'c', 'cm'])
        check(f'of a {kind} counts', (os.lstat(p).st_nlink, os.lstat(at('y')).st_nlink), (2, 2))
        check(f'of a {kind} is the same', os.lstat(p).st_ino, os.lstat(at('y')).st_ino)
        if kind != 'symlink':
            os.chmod(at('y'), 0o601)
            check(f'of a {kind} shares the mode', mode_of(p), oct(0o601))
        os.link(at('y'), at('z'), follow_symlinks=False)
        check(f'of a {kind} again', os.lstat(p).st_nlink, 3)
        check(f'of a {kind} removed moves times', touched([at('z'), base], os.unlink, p), ['ok', 'c', 'cm'])
        check(f'of a {kind} removed counts', os.lstat(at('z')).st_nlink, 2)
        for name in ('y', 'z'):
            remove(at(name))
    p = file(at('x'), uid=A, gid=G)
    many = [at(f'n{i}') for i in range(300)]
    for name in many:
        os.link(p, name)
    check('three hundred times', os.stat(p).st_nlink, 301)
    check('that fails leaves times', touched([p, base], os.link, p, many[0]), ['EEXIST', '', ''])


def made(name, act):
    """What mkdir, mkfifo, mknod, open and symlink have in common."""
    os.chmod(base, 0o777)
    is_link = name == 'symlink'
    for mode, mask, want in ((0o755, 0, 0o755), (0o151, 0, 0o151), (0o151, 0o77, 0o100), (0o345, 0o70, 0o305), (0o345, 0o501, 0o244)):
        if is_link:
            break
        as_user(A, G, act, at('x'), mode, umask=mask)
        check(f'mode {mode:o} with umask {mask:o}', mode_of(at('x')), oct(want))
        remove(at('x'))
    answer = as_user(A, G, act, at('x'), 0o755)
    s = os.lstat(at('x'))
    check('belongs to who made it', (answer, s.st_uid, s.st_gid), ('ok', A, G))
    check('has times of now', abs(s.st_mtime - time.time()) < 60 and abs(s.st_ctime - time.time()) < 60, True)
    remove(at('x'))
    check('moves the times of the folder', touched([base], act, at('x'), 0o755), ['ok', 'cm'])
    check('that fails leaves them', touched([base], act, at('x'), 0o755)[1:], [''])
    remove(at('x'))
    folder(at('set'), 0o2777, 0, H)
    as_user(A, G, act, at('set/x'), 0o755)
    s = os.lstat(at('set/x'))
    want = 0o2755 if name == 'mkdir' else 0o777 if is_link else 0o755
    check('in a setgid folder', (s.st_gid, oct(s.st_mode & 0o7777)), (H, oct(want)))
    check('where it is not allowed', as_user(B, G, act, at('set/../closed/x'), 0o755), 'EACCES')


def mkdir():
    folder(at('closed'), 0o755)
    made('mkdir', os.mkdir)
    before = os.stat(base).st_nlink
    if before > 1:  # 1: a file system that does not count
        os.mkdir(at('x'))
        check('counts in the parent', os.stat(base).st_nlink, before + 1)
        check('counts itself', os.stat(at('x')).st_nlink, 2)
        os.rmdir(at('x'))
        check('removed counts in the parent', os.stat(base).st_nlink, before)
    check('of dot', call(os.mkdir, at('.')), 'EEXIST')
    os.symlink('nowhere', at('dangling'))
    check('of a dangling link', call(os.mkdir, at('dangling')), 'EEXIST')


def mkfifo():
    folder(at('closed'), 0o755)
    made('mkfifo', os.mkfifo)
    os.mkfifo(at('x'))
    check('is one', stat.S_ISFIFO(os.stat(at('x')).st_mode), True)
    pid = os.fork()
    if pid == 0:
        opened(at('x'), os.O_WRONLY, act=lambda fd: os.write(fd, b'through'))
        os._exit(0)
    check('carries bytes', open(at('x'), 'rb').read(), b'through')
    os.waitpid(pid, 0)


def mknod():
    folder(at('closed'), 0o755)
    made('mknod', lambda p, mode: os.mknod(p, stat.S_IFSOCK | mode))
    for kind in (stat.S_IFCHR, stat.S_IFBLK):
        check('of a device', call(os.mknod, at(f'dev{kind}'), kind | 0o600, os.makedev(1, 3)), 'EPERM' if is_mount else 'ok')
        check('of a device by an ordinary user', as_user(A, G, os.mknod, at('other'), kind | 0o600, os.makedev(1, 3)), 'EPERM')
    os.mknod(at('x'), stat.S_IFREG | 0o640)
    check('of a regular file', (os.stat(at('x')).st_size, mode_of(at('x'))), (0, oct(0o640)))


def open_():
    folder(at('closed'), 0o755)
    made('open', lambda p, mode: opened(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    for kind in kinds:
        make(kind, at('there'))
        check(f'exclusively where a {kind} is', call(opened, at('there'), os.O_CREAT | os.O_EXCL | os.O_RDWR), 'EEXIST')
        remove(at('there'))
    p = file(at('x'), uid=A, gid=G)
    for mode in (0o000, 0o100, 0o200, 0o400, 0o600, 0o010, 0o020, 0o040, 0o060, 0o001, 0o002, 0o004, 0o006, 0o666):
        os.chmod(p, mode)
        for who, (uid, gid), shift in (('owner', (A, G), 6), ('group', (B, G), 3), ('others', (B, H), 0)):
            bits = mode >> shift & 7
            for flags, need in ((os.O_RDONLY, 4), (os.O_WRONLY, 2), (os.O_RDWR, 6)):
                want = 'ok' if bits & need == need else 'EACCES'
                check(f'of mode {mode:o} by {who}, flags {flags}', as_user(uid, gid, opened, p, flags), want)
        check(f'of mode {mode:o} by root', call(opened, p, os.O_RDWR), 'ok')
    os.chmod(p, 0o444)
    check('to truncate what may only be read', as_user(A, G, opened, p, os.O_RDONLY | os.O_TRUNC), 'EACCES')
    os.chmod(p, 0o644)
    check('and truncate moves times', touched([p], opened, p, os.O_WRONLY | os.O_TRUNC), ['ok', 'cm'])
    check('and truncate', os.stat(p).st_size, 0)
    check('of a folder to write', [call(opened, base, f) for f in (os.O_WRONLY, os.O_RDWR)], ['EISDIR', 'EISDIR'])
    check('of a folder to create', call(opened, base, os.O_CREAT | os.O_RDONLY), 'EISDIR')
    check('of a file as a folder', call(opened, p, os.O_RDONLY | os.O_DIRECTORY), 'ENOTDIR')
    os.symlink('x', at('l'))
    check('of a link not to be followed', call(opened, at('l'), os.O_RDONLY | os.O_NOFOLLOW), 'ELOOP')
    os.mkfifo(at('f'))
    check('of a pipe without a reader', call(opened, at('f'), os.O_WRONLY | os.O_NONBLOCK), 'ENXIO')
    os.mknod(at('s'), stat.S_IFSOCK | 0o666)
    check('of a socket', call(opened, at('s'), os.O_RDONLY), 'ENXIO')
    os.symlink('made-through', at('dangling'))
    check('creates through a link', call(opened, at('dangling'), os.O_CREAT | os.O_WRONLY), 'ok')
    check('creates through a link, there', os.path.exists(at('made-through')), True)
    shutil.copy('/bin/sleep', at('program'))
    os.chmod(at('program'), 0o755)
    running = subprocess.Popen([at('program'), '60'])
    check('of a running program to write', call(opened, at('program'), os.O_WRONLY), 'ETXTBSY')
    check('of a running program to read', call(opened, at('program'), os.O_RDONLY), 'ok')
    check('truncate of a running program', call(os.truncate, at('program'), 1), 'ETXTBSY')
    running.kill()
    running.wait()
    p = file(at('append'), b'12345')
    opened(p, os.O_WRONLY | os.O_APPEND, act=lambda fd: (os.pwrite(fd, b'', 0), os.write(fd, b'678')))
    check('to append', open(p, 'rb').read(), b'12345678')
    fd = os.open(at('mode0'), os.O_CREAT | os.O_RDWR, 0)
    os.write(fd, b'mine')
    check('keeps the rights of its handle', os.pread(fd, 10, 0), b'mine')
    os.close(fd)


def rename():
    for kind in kinds:
        p = make(kind, at('x'))
        ino = os.lstat(p).st_ino
        folder(at('other'))
        check(f'of a {kind} moves times', touched([base, at('other')], os.rename, p, at('other/y')), ['ok', 'cm', 'cm'])
        check(f'of a {kind} keeps what it is', (os.lstat(at('other/y')).st_ino, os.path.lexists(p)), (ino, False))
        remove(at('other'))
        for over in kinds:
            a, b = make(kind, at('a')), make(over, at('b'))
            want = 'ok'
            if kind == 'directory' and over != 'directory':
                want = 'ENOTDIR'
            if kind != 'directory' and over == 'directory':
                want = 'EISDIR'
            ino = os.lstat(a).st_ino
            check(f'of a {kind} over a {over}', call(os.rename, a, b), want)
            check(f'of a {kind} over a {over}, afterwards', os.lstat(b).st_ino == ino, want == 'ok')
            remove(a)
            remove(b)
    folder(at('a'))
    folder(at('b'))
    file(at('b/inside'))
    check('over a folder that is not empty', call(os.rename, at('a'), at('b')), 'ENOTEMPTY')
    check('of a folder into itself', call(os.rename, at('b'), at('b/c')), 'EINVAL')
    check('of a folder into what is in it', call(os.rename, at('b'), at('b/c/d')), 'ENOENT')
    before = os.stat(base).st_nlink, os.stat(at('b')).st_nlink
    os.rename(at('a'), at('b/a'))
    if before[0] > 1:
        check('of a folder counts', (os.stat(base).st_nlink, os.stat(at('b')).st_nlink), (before[0] - 1, before[1] + 1))
    check('of dot', call(os.rename, at('b/.'), at('c')), 'EBUSY')
    p = file(at('one'))
    os.link(p, at('two'))
    check('of a file onto its other name', (call(os.rename, p, at('two')), os.path.exists(p), os.stat(p).st_nlink), ('ok', True, 2))
    victim = os.open(file(at('victim'), b'old'), os.O_RDONLY)
    os.rename(file(at('new'), b'new'), at('victim'))
    check('over an open file', (os.read(victim, 9), open(at('victim'), 'rb').read(), os.fstat(victim).st_nlink), (b'old', b'new', 0))
    os.close(victim)
    sticky('rename', lambda p: os.rename(p, p + '2'))
    folder(at('from'), 0o777)
    folder(at('to'), 0o777)
    folder(at('from/theirs'), 0o755, B, H)
    check('of a folder of others to another parent', as_user(A, G, os.rename, at('from/theirs'), at('to/theirs')), 'EACCES')
    check('of a folder of others beside', as_user(A, G, os.rename, at('from/theirs'), at('from/again')), 'ok')
    folder(at('from/mine'), 0o755, A, G)
    check('of an own folder to another parent', as_user(A, G, os.rename, at('from/mine'), at('to/mine')), 'ok')


def sticky(name, act, directory=False):
    """Who may take a name away in a sticky folder: root, the owner of the folder, the owner of the file."""
    for owner in (A, B):
        for of_folder in (A, B):
            for mode in (0o1777, 0o777):
                folder(at('sticky'), mode, of_folder, G)
                p = make('directory' if directory else 'regular', at('sticky/x'), 0o755, owner, G)
                want = 'ok' if mode == 0o777 or A in (owner, of_folder) else 'EPERM'
                check(f'{name} of a file of {owner} in a folder of {of_folder}, {mode:o}', as_user(A, G, act, p), want)
                remove(at('sticky'))
    if not directory:
        folder(at('sticky'), 0o1777, B, G)
        mine, theirs = file(at('sticky/mine'), uid=A, gid=G), file(at('sticky/theirs'), uid=B, gid=G)
        check('rename over a file of others in a sticky folder', as_user(A, G, os.rename, mine, theirs), 'EPERM')
        check('by root', call(act, theirs), 'ok')
        remove(at('sticky'))


def rmdir():
    os.mkdir(at('x'))
    check('moves times', touched([base], os.rmdir, at('x')), ['ok', 'cm'])
    folder(at('x'))
    for kind in kinds:
        make(kind, at('x/y'))
        check(f'with a {kind} in it', call(os.rmdir, at('x')), 'ENOTEMPTY')
        remove(at('x/y'))
        if kind != 'directory':
            make(kind, at('z'))
            check(f'of a {kind}', call(os.rmdir, at('z')), 'ENOTDIR')
            remove(at('z'))
    check('of dot', call(os.rmdir, at('x/.')), 'EINVAL')
    os.mkdir(at('x/y'))
    check('of dot dot', call(os.rmdir, at('x/y/..')), 'ENOTEMPTY')
    os.symlink('x', at('l'))
    check('of a link to a folder', call(os.rmdir, at('l')), 'ENOTDIR')
    sticky('rmdir', os.rmdir, directory=True)
    folder(at('w'))
    fd = os.open(at('w'), os.O_RDONLY)
    os.rmdir(at('w'))
    check('of an open folder', (os.listdir(fd), call(opened, f'/proc/self/fd/{fd}/x', os.O_CREAT | os.O_WRONLY)), ([], 'ENOENT'))
    os.close(fd)


def symlink():
    folder(at('closed'), 0o755)
    made('symlink', lambda p, mode: os.symlink('target', p))
    for target in ('x', '/absolute/' + 'long' * 100, 'ü', 't' * 4095):
        os.symlink(target, at('l'))
        s = os.lstat(at('l'))
        check(f'to {target[:20]}', (os.readlink(at('l')), s.st_size, s.st_mode), (target, len(target.encode()), stat.S_IFLNK | 0o777))
        os.unlink(at('l'))
    check('to what is too long', call(os.symlink, 't' * 4096, at('l')), 'ENAMETOOLONG')
    check('to nothing', call(os.symlink, '', at('l')), 'ENOENT')
    check('readlink of a file', call(os.readlink, file(at('f'))), 'EINVAL')


def truncate():
    p = file(at('x'), b'0123456789', uid=A, gid=G)
    for size, want in ((4, b'0123'), (12, b'0123' + bytes(8)), (0, b''), (100000, bytes(100000))):
        os.truncate(p, size)
        check(f'to {size}', open(p, 'rb').read(), want)
    check('moves times', touched([p], os.truncate, p, 123), ['ok', 'cm'])
    check('of a folder', call(os.truncate, base, 1), 'EISDIR')
    check('to less than nothing', call(os.truncate, p, -1), 'EINVAL')
    if is_mount:  # other file systems have other limits
        too_long(p)
    check('by somebody else', as_user(B, H, os.truncate, p, 1), 'EACCES')
    os.chmod(p, 0o444)
    check('of a file that may only be read', as_user(A, G, os.truncate, p, 1), 'EACCES')
    opened(p, os.O_RDWR, act=lambda fd: os.ftruncate(fd, 55))
    check('by a handle', os.stat(p).st_size, 55)
    check('by a handle for reading', call(lambda: opened(p, os.O_RDONLY, act=lambda fd: os.ftruncate(fd, 1))), 'EINVAL')
    check('by a handle, less than nothing', call(lambda: opened(p, os.O_RDWR, act=lambda fd: os.ftruncate(fd, -1))), 'EINVAL')
    check('by a handle moves times', touched([p], lambda: opened(p, os.O_RDWR, act=lambda fd: os.ftruncate(fd, 9))), ['ok', 'cm'])
    set_ids('truncate', lambda p: os.truncate(p, 1))
    set_ids('write', lambda p: opened(p, os.O_WRONLY, act=lambda fd: os.write(fd, b'x')))
    check('of a pipe', (os.mkfifo(at('f')), call(os.truncate, at('f'), 0))[1], 'EINVAL')


def too_long(p):
    for size in (2**53 + 1, 2**63 - 1):
        check(f'to {size}', call(os.truncate, p, size), 'EFBIG')
        check(f'by a handle to {size}', call(lambda: opened(p, os.O_RDWR, act=lambda fd: os.ftruncate(fd, size))), 'EFBIG')
    for act in (lambda fd: os.pwrite(fd, b'x', 2**53 + 1), lambda fd: os.posix_fallocate(fd, 2**53, 10)):
        check('write beyond what can be', call(lambda: opened(p, os.O_RDWR, act=act)), 'EFBIG')


def set_ids(name, act):
    for mode, want in ((0o4777, 0o777), (0o6777, 0o777), (0o2777, 0o777)):
        p = file(at('ids'), mode=mode, uid=A, gid=G)
        as_user(B, H, act, p)
        check(f'{name} by another takes set-id bits of {mode:o}', mode_of(p), oct(want))
        os.chmod(p, mode)
        call(act, p)
        check(f'{name} by root leaves {mode:o}', mode_of(p), oct(mode))
        remove(p)


def unlink():
    for kind in kinds:
        p = make(kind, at('x'))
        if kind == 'directory':
            check('of a directory', call(os.unlink, p), 'EISDIR')
        else:
            check(f'of a {kind} moves times', touched([base], os.unlink, p), ['ok', 'cm'])
            check(f'of a {kind}', os.path.lexists(p), False)
        remove(p)
    fd = os.open(at('open'), os.O_CREAT | os.O_RDWR)
    os.unlink(at('open'))
    os.write(fd, b'still there')
    check('of an open file', (os.fstat(fd).st_nlink, os.pread(fd, 99, 0), os.fstat(fd).st_size), (0, b'still there', 11))
    check('of an open file, by its handle', call(os.fchmod, fd, 0o600), 'ok')
    os.close(fd)
    sticky('unlink', os.unlink)


def utimensat():
    now, omit = (1 << 30) - 1, (1 << 30) - 2
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)

    class Spec(ctypes.Structure):
        _fields_ = [('sec', ctypes.c_long), ('nsec', ctypes.c_long)]

    def utime(p, a, m, flags=0):
        if libc.utimensat(-100, p.encode(), (Spec * 2)(Spec(*a), Spec(*m)), flags):
            raise OSError(ctypes.get_errno(), p)

    for kind in kinds:
        p = make(kind, at('x'), uid=A, gid=G)
        flags = 0x100 if kind == 'symlink' else 0
        utime(p, (1900000000, 100000000), (1950000000, 123456789), flags)
        check(f'of a {kind}', os.lstat(p).st_mtime_ns, 1950000000123456789)
        check(f'of a {kind} moves its ctime', touched([p], utime, p, (1, 1), (0, omit), flags), ['ok', 'c'])
        check(f'of a {kind}, leaving it', os.lstat(p).st_mtime_ns, 1950000000123456789)
        utime(p, (0, omit), (0, now), flags)
        check(f'of a {kind}, to now', abs(os.lstat(p).st_mtime - time.time()) < 60, True)
        remove(p)
    p = file(at('x'), uid=A, gid=G, mode=0o444)
    for when in (0, -1, -2**31 + 10, 2**31 - 10) + ((2**31, 2**32 + 5, 2**33) if is_mount else ()):
        utime(p, (when, 1), (when, 5))
        check(f'to the second {when}', os.stat(p).st_mtime_ns, when * 10**9 + 5)
    check('to a nanosecond that is none', call(utime, p, (1, 10**9), (1, 0)), 'EINVAL')
    check('by its owner', as_user(A, G, utime, p, (1, 1), (2, 2)), 'ok')
    check('to now by its owner who may not write', as_user(A, G, utime, p, (0, now), (0, now)), 'ok')
    check('by another', as_user(B, H, utime, p, (1, 1), (2, 2)), 'EPERM')
    check('to now by another', as_user(B, H, utime, p, (0, now), (0, now)), 'EACCES')
    os.chmod(p, 0o666)
    check('by another who may write', as_user(B, H, utime, p, (1, 1), (2, 2)), 'EPERM')
    check('to now by another who may write', as_user(B, H, utime, p, (0, now), (0, now)), 'ok')
    check('one to now and one not by another who may write', as_user(B, H, utime, p, (0, now), (0, omit)), 'EPERM')
    os.symlink('x', at('l'))
    utime(at('l'), (5, 5), (6, 6), 0x100)
    check('of a link itself', (os.lstat(at('l')).st_mtime_ns, os.stat(p).st_mtime > 10**9), (6 * 10**9 + 6, True))


def posix_fallocate():
    p = file(at('x'), b'12345', uid=A, gid=G)
    opened(p, os.O_RDWR, act=lambda fd: os.posix_fallocate(fd, 0, 1000))
    check('grows with zeros', open(p, 'rb').read(), b'12345' + bytes(995))
    opened(p, os.O_RDWR, act=lambda fd: os.posix_fallocate(fd, 10, 10))
    check('does not shrink', os.stat(p).st_size, 1000)
    opened(p, os.O_RDWR, act=lambda fd: os.posix_fallocate(fd, 5000, 1))
    check('behind the end', os.stat(p).st_size, 5001)
    check('of nothing', call(lambda: opened(p, os.O_RDWR, act=lambda fd: os.posix_fallocate(fd, 0, 0))), 'EINVAL')
    check('before the beginning', call(lambda: opened(p, os.O_RDWR, act=lambda fd: os.posix_fallocate(fd, -1, 9))), 'EINVAL')
    check('by a handle for reading', call(lambda: opened(p, os.O_RDONLY, act=lambda fd: os.posix_fallocate(fd, 0, 9))), 'EBADF')
    check('moves times', touched([p], lambda: opened(p, os.O_RDWR, act=lambda fd: os.posix_fallocate(fd, 0, 9000))), ['ok', 'cm'])
    fd = os.open(at('mode0'), os.O_CREAT | os.O_RDWR, 0)
    os.posix_fallocate(fd, 0, 567)
    check('of a file that nobody may open', os.fstat(fd).st_size, 567)
    os.close(fd)


def names():
    """Names in bytes: UTF-8 is the limit of backup/ (a snapshot is JSON)."""
    for name in (b'\xff', b'a\xc3', b'\xed\xa0\x80'):
        path = os.fsencode(base) + b'/' + name
        for what, act in (('create', lambda: opened(path, os.O_CREAT | os.O_WRONLY)), ('mkdir', lambda: os.mkdir(path))):
            check(f'{what} {name}', call(act), 'EILSEQ' if is_mount else 'ok')
            if not is_mount:
                (os.unlink if what == 'create' else os.rmdir)(path)
    for name in ('ü', 'u\u0308', '\n', '\\', ' ', '*', 'Ü', '日' * 85, '\U0001f600', '-rf', '...'):
        p = file(at(name), name.encode())
        check(f'{name!r} comes back', (open(p, 'rb').read(), name in os.listdir(base)), (name.encode(), True))
    check('nothing is the same as something else', len(os.listdir(base)), 11)


def read_only(snapshot):
    inside = {d: os.path.join(snapshot, d) for d in ('file', 'folder')}
    for name, act in calls.items():
        if name in ('stat', 'readlink', 'open', 'link from', 'rename from', 'link to', 'rename to'):
            continue
        target = inside['folder'] if name == 'rmdir' else inside['file'] if name not in makers else os.path.join(snapshot, 'new')
        check(f'{name} in a snapshot', call(act, target), 'EROFS')
    check('rename in a snapshot', call(os.rename, inside['file'], os.path.join(snapshot, 'new')), 'EROFS')
    check('link in a snapshot', call(os.link, inside['file'], os.path.join(snapshot, 'new')), 'EROFS')
    check('open to write in a snapshot', [call(opened, inside['file'], f) for f in (os.O_WRONLY, os.O_RDWR)], ['EROFS', 'EROFS'])
    check('open to read in a snapshot', call(opened, inside['file'], os.O_RDONLY), 'ok')


os.umask(0)
remove(base)
for act in (paths, chmod, chown, link, mkdir, mkfifo, mknod, open_, rename, rmdir, symlink, truncate, unlink, utimensat, posix_fallocate, names):
    group = act.__name__.strip('_')
    folder(base, 0o755)
    try:
        act()
    except Exception as e:
        wrong += 1
        print(f'{group}: stopped in line {e.__traceback__.tb_next.tb_lineno}: {e!r}')
    remove(base)
if is_mount:
    group = 'read-only'
    read_only(sys.argv[3])
print(f'{cases} cases, {wrong} wrong')
