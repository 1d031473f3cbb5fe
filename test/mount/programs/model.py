"""Random operations on two directories, which must answer alike and end up alike.

model.py run SEED COUNT A B       carries operations out on both; stops at the first that differs
model.py settle A B               gives everything in both the same times
model.py compare A B [links]      compares names, kinds, modes, owners, times, sizes, contents (and link counts)
"""
import ctypes, errno, hashlib, os, random, stat, sys

libc = ctypes.CDLL(None, use_errno=True)
PUNCH = 3


def fallocate(fd, mode, offset, length):
    if libc.fallocate64(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
        raise OSError(ctypes.get_errno(), 'fallocate')


def renameat2(a, b, flags):
    if libc.renameat2(-100, a.encode(), -100, b.encode(), flags) != 0:
        raise OSError(ctypes.get_errno(), 'renameat2')


def noise(r, size):
    return r.randbytes(size) if r.random() < 0.7 else bytes([r.randrange(256)]) * size


def opened(path, flags, work, mode=0o644):
    fd = os.open(path, flags, mode)
    try:
        return work(fd)
    finally:
        os.close(fd)


def remove_tree(path):
    for base, folders, files in os.walk(path, topdown=False):
        for name in files:
            os.unlink(os.path.join(base, name))
        for name in folders:
            whole = os.path.join(base, name)
            os.unlink(whole) if os.path.islink(whole) else os.rmdir(whole)
    os.rmdir(path)


def copy_range(source, target, offset, length, to):
    def inner(a):
        return opened(target, os.O_WRONLY | os.O_CREAT, lambda b: os.copy_file_range(a, b, length, offset, to))
    return opened(source, os.O_RDONLY, inner)


def operation(r, names):
    """One operation as a function of a base directory; the choice does not depend on the directory."""
    p, q = names(), names()
    size, offset = r.choice([0, 1, 100, 4096, r.randrange(20000), r.randrange(200000)]), r.choice([0, 1, 4095, r.randrange(100000)])
    data, mode = noise(r, min(size, 60000)), r.choice([0o644, 0o600, 0o755, 0o444, 0o4755, 0o1777, 0o2755])
    owner, when = r.choice([0, 1, 1000, 65534]), r.randrange(10**18, 2 * 10**18)
    j = os.path.join
    choices = [
        (10, 'create', lambda b: opened(j(b, p), os.O_CREAT | os.O_EXCL | os.O_WRONLY, lambda f: os.write(f, data), mode)),
        (8, 'replace', lambda b: opened(j(b, p), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, lambda f: os.write(f, data))),
        (12, 'pwrite', lambda b: opened(j(b, p), os.O_RDWR, lambda f: os.pwrite(f, data, offset))),
        (6, 'append', lambda b: opened(j(b, p), os.O_WRONLY | os.O_APPEND, lambda f: os.write(f, data))),
        (6, 'truncate', lambda b: os.truncate(j(b, p), size)),
        (3, 'punch', lambda b: opened(j(b, p), os.O_RDWR, lambda f: fallocate(f, PUNCH, offset, size + 1))),
        (2, 'allocate', lambda b: opened(j(b, p), os.O_RDWR, lambda f: fallocate(f, 0, offset, size + 1))),
        (8, 'read', lambda b: opened(j(b, p), os.O_RDONLY, lambda f: os.pread(f, size, offset))),
        (8, 'mkdir', lambda b: os.mkdir(j(b, p), mode)),
        (4, 'rmdir', lambda b: os.rmdir(j(b, p))),
        (6, 'unlink', lambda b: os.unlink(j(b, p))),
        (14, 'rename', lambda b: os.rename(j(b, p), j(b, q))),
        (3, 'exchange', lambda b: renameat2(j(b, p), j(b, q), 2)),
        (3, 'noreplace', lambda b: renameat2(j(b, p), j(b, q), 1)),
        (5, 'link', lambda b: os.link(j(b, p), j(b, q), follow_symlinks=False)),
        (4, 'symlink', lambda b: os.symlink(q, j(b, p))),
        (4, 'chmod', lambda b: os.chmod(j(b, p), mode)),
        (3, 'chown', lambda b: os.chown(j(b, p), owner, owner, follow_symlinks=False)),
        (5, 'utime', lambda b: os.utime(j(b, p), ns=(when, when), follow_symlinks=False)),
        (4, 'list', lambda b: sorted(os.listdir(j(b, p)))),
        (3, 'copy', lambda b: copy_range(j(b, p), j(b, q), offset, size, 0)),
        (1, 'remove tree', lambda b: remove_tree(j(b, p))),
        (2, 'readlink', lambda b: os.readlink(j(b, p))),
    ]
    _, name, act = r.choices(choices, [c[0] for c in choices])[0]
    return f'{name} {p} {q} size={size} offset={offset}', act


def answer(act, base):
    try:
        return act(base)
    except OSError as e:
        return errno.errorcode.get(e.errno, e.errno)


def run(seed, count, a, b):
    r = random.Random(seed)

    def names():
        return '/'.join(r.choice(['a', 'b', 'c', 'd', 'ü', 'f' * 40]) + str(r.randrange(2)) for _ in range(r.choice([1, 1, 2, 2, 3, 4])))

    for n in range(count):
        what, act = operation(r, names)
        one, two = answer(act, a), answer(act, b)
        if one != two:
            sys.exit(f'operation {n} of seed {seed} differs: {what}: {str(one)[:200]} / {str(two)[:200]}')


def entries(base):
    yield ''
    for at, folders, files in os.walk(base):
        for name in folders + files:
            yield os.path.relpath(os.path.join(at, name), base)


def settle(a, b):
    for n, path in enumerate(sorted(entries(a), key=lambda p: (-p.count('/') - (p != ''), p))):
        when = 1_600_000_000_123_456_789 + n * 1_000_003
        for base in (a, b):
            os.utime(os.path.join(base, path), ns=(when, when), follow_symlinks=False)


def facts(base, path, links):
    whole = os.path.join(base, path)
    s = os.lstat(whole)
    row = [stat.S_IFMT(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns]
    if stat.S_ISLNK(s.st_mode):
        return row + [os.readlink(whole)]
    row.append(oct(s.st_mode))
    if stat.S_ISREG(s.st_mode):
        with open(whole, 'rb') as f:
            row += [s.st_size, hashlib.sha256(f.read()).hexdigest()]
        if links:
            row.append(s.st_nlink)
    return row


def compare(a, b, links):
    one, two = sorted(entries(a)), sorted(entries(b))
    if one != two:
        sys.exit(f'names differ: {sorted(set(one) ^ set(two))[:10]}')
    wrong = [(p, facts(a, p, links), facts(b, p, links)) for p in one if facts(a, p, links) != facts(b, p, links)]
    if wrong:
        sys.exit('\n'.join(f'{p!r}: {x} / {y}' for p, x, y in wrong[:10]))
    print(len(one))


command, *rest = sys.argv[1:]
if command == 'run':
    run(int(rest[0]), int(rest[1]), rest[2], rest[3])
elif command == 'settle':
    settle(*rest)
else:
    compare(rest[0], rest[1], 'links' in rest)
