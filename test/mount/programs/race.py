"""race.py MOUNT FLUSHES: writers go on while flushes run; then every snapshot that was made is looked at, through the mount.

Each writer knows one number that says its whole state: its version. A snapshot is one moment if every writer's part in it is that of one
version, and there was a time when all of these versions were the newest.
"""
import errno, glob, os, sys, threading, time

mount, flushes = sys.argv[1], int(sys.argv[2])
backup = os.path.join(mount, 'backup')
stop = threading.Event()
made = set()


class Writer:
    def __init__(self, name):
        self.name, self.root = name, os.path.join(backup, name)
        os.mkdir(self.root)
        self.begun, self.done, self.failure = [], [], None
        self.prepare()

    def run(self):
        try:
            while not stop.is_set():
                version = len(self.begun)
                self.begun.append(time.monotonic_ns())
                self.step(version)
                self.done.append(time.monotonic_ns())
        except Exception as e:
            self.failure = f'{self.name}: {e!r}'

    def prepare(self):
        pass


class Replacing(Writer):
    """Each version replaces one of eight files by a rename."""

    def prepare(self):
        for n in range(8):
            self.put(f'f{n}', -1)

    def put(self, name, version):
        with open(os.path.join(self.root, name), 'w') as f:
            f.write(f'{version:010d}' * 500)

    def step(self, version):
        self.put('next', version)
        os.rename(os.path.join(self.root, 'next'), os.path.join(self.root, f'f{version % 8}'))

    def version(self, root):
        found = []
        for n in range(8):
            text = open(os.path.join(root, f'f{n}')).read()
            assert text == text[:10] * 500, f'f{n} is mixed'
            found.append(int(text[:10]))
        newest = max(found)
        want = [max((v for v in range(max(0, newest - 7), newest + 1) if v % 8 == n), default=-1) for n in range(8)]
        assert found == want, f'{found} is no state of the files'
        return newest


class InPlace(Writer):
    """Each version overwrites one of 64 blocks of an open file."""

    def prepare(self):
        self.fd = os.open(os.path.join(self.root, 'file'), os.O_RDWR | os.O_CREAT)
        os.pwrite(self.fd, (-1).to_bytes(8, 'little', signed=True) * 512 * 64, 0)

    def step(self, version):
        os.pwrite(self.fd, version.to_bytes(8, 'little', signed=True) * 512, version % 64 * 4096)

    def version(self, root):
        data = open(os.path.join(root, 'file'), 'rb').read()
        assert len(data) == 64 * 4096, f'{len(data)} bytes'
        blocks = [data[n * 4096:(n + 1) * 4096] for n in range(64)]
        assert all(b == b[:8] * 512 for b in blocks), 'a block is mixed'
        found = [int.from_bytes(b[:8], 'little', signed=True) for b in blocks]
        newest = max(found)
        want = [max((v for v in range(max(0, newest - 63), newest + 1) if v % 64 == n), default=-1) for n in range(64)]
        assert found == want, f'{found} is no state of the file'
        return newest


class Moving(Writer):
    """Each version moves a folder with a file in it."""

    def prepare(self):
        os.makedirs(os.path.join(self.root, 'd-1/deep'))
        open(os.path.join(self.root, 'd-1/deep/file'), 'w').write('here')

    def step(self, version):
        os.rename(os.path.join(self.root, f'd{version - 1}'), os.path.join(self.root, f'd{version}'))

    def version(self, root):
        names = os.listdir(root)
        assert len(names) == 1, f'the folder is there {len(names)} times: {names}'
        assert open(os.path.join(root, names[0], 'deep/file')).read() == 'here'
        return int(names[0][1:])


class Appending(Writer):
    """Each version appends to a file."""

    def prepare(self):
        self.fd = os.open(os.path.join(self.root, 'log'), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def step(self, version):
        os.write(self.fd, version.to_bytes(8, 'little'))

    def version(self, root):
        data = open(os.path.join(root, 'log'), 'rb').read()
        assert data == b''.join(v.to_bytes(8, 'little') for v in range(len(data) // 8)), 'the log has holes'
        return len(data) // 8 - 1


def flush():
    control = os.open(os.path.join(mount, '.kura/flush'), os.O_WRONLY)
    try:
        os.write(control, b'now')
    except OSError as e:
        assert e.errno == errno.EALREADY, e
    for _ in range(10):  # a wait is 30 s at most
        try:
            os.fsync(control)
            break
        except OSError as e:
            assert e.errno == errno.EINPROGRESS, e
    os.close(control)
    made.add(open(os.path.join(mount, '.kura/last-snapshot')).read())


def moment(writers, root):
    """Throws unless the snapshot is one moment; the version of each writer."""
    versions = [w.version(os.path.join(root, w.name)) for w in writers]
    latest_start = max(w.begun[v] if v >= 0 else 0 for w, v in zip(writers, versions))
    first_end = min((w.done[v + 1] for w, v in zip(writers, versions) if v + 1 < len(w.done)), default=1 << 62)
    assert latest_start <= first_end, f'{versions} were never the newest together'
    return versions


writers = [Replacing('replacing'), InPlace('in-place'), Moving('moving'), Appending('appending')]
threads = [threading.Thread(target=w.run) for w in writers]
for t in threads:
    t.start()
for _ in range(flushes):
    # Each writer has gone on since the last flush, however slow it all is.
    wanted = [len(w.done) + 3 for w in writers]
    while any(len(w.done) < n and not w.failure for w, n in zip(writers, wanted)):
        time.sleep(0.01)
    flush()
stop.set()
for t in threads:
    t.join()
assert not any(w.failure for w in writers), [w.failure for w in writers]
flush()
snapshots = []
while len(snapshots) < len(made):  # a mount shows what is old rather than let a visitor wait for long
    snapshots = sorted(p for p in glob.glob(os.path.join(mount, '*@*/*/*')) if not os.path.islink(p))
    time.sleep(0.1)
found = [moment(writers, root) for root in snapshots]
assert all(a <= b for one, two in zip(sorted(found), sorted(found)[1:]) for a, b in zip(one, two)), f'moments out of order: {found}'
assert sorted(found)[-1] == [len(w.done) - 1 for w in writers], 'the last flush has not all'
between = sum(1 for versions in found if all(0 < v < len(w.done) - 1 for w, v in zip(writers, versions)))
print(len(found), between, flush=True)
