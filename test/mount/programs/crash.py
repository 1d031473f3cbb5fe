"""crash.py BASE WRITERS SEED: writers on folders of a mount that gets killed, and what must be there afterwards.

Reads orders from stdin, answers each with one line:
go            all writers work until the mount is gone; "started" at once, "stopped N" when all have stopped: N operations were acknowledged
check         what is in BASE is what was acknowledged, but for the one operation of each writer that had no answer; "ok" or what is wrong
compare DIR   the same for a copy of BASE, to the last byte
"""
import errno, os, random, stat, sys, threading

gone = {errno.ENOTCONN, errno.ECONNABORTED}
maxNodes = 40


def noise(seed, size):
    return random.Random(seed).randbytes(size)


class Writer:
    """One thread on one folder: every call is applied to `nodes` only after it has returned."""

    def __init__(self, base, number, seed):
        self.root = os.path.join(base, f'w{number}')
        self.random = random.Random(f'{seed} {number}')
        # path -> [kind, content or target, mode, mtime in ns or None where the clock says it]
        self.nodes = {'': ['d', b'', 0o755, None]}
        self.pending = None
        self.acknowledged = 0
        self.follow = None
        # The names of the last hard link: only one of them may be written to.
        self.twins = ()
        self.failure = None
        self.log = None

    def run(self):
        try:
            if self.log is None:
                self.log = os.open(self.at('log'), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                self.nodes.setdefault('log', ['f', b'', 0o644, None])
            while True:
                self.pending = self.follow or self.choose()
                self.follow = None
                self.twins = self.pending[1:] if self.pending[0] == 'link' else self.twins
                self.execute(*self.pending)
                self.apply(self.nodes, self.pending)
                self.acknowledged += 1
                if self.pending[0] == 'link':
                    self.follow = ('unlink', self.pending[1])  # as git does: two names of one file are two files after a flush
                elif self.pending[0] == 'unlink':
                    self.twins = ()
                self.pending = None
        except OSError as e:
            if e.errno not in gone:
                self.failure = f'{self.pending}: {e}'
        except Exception as e:
            self.failure = f'{self.pending}: {e!r}'
        if self.log is not None:
            os.close(self.log)
            self.log = None

    def at(self, path):
        return os.path.join(self.root, path) if path else self.root

    def names(self, kind):
        return [p for p, n in self.nodes.items() if n[0] == kind and p not in ('', 'log')]

    def fresh(self):
        folder = self.random.choice([''] + self.names('d'))
        name = f'{self.random.choice("abcdefgh")}{self.random.randrange(10**6)}'
        return f'{folder}/{name}' if folder.count('/') < 3 and folder else name

    def choose(self):
        r = self.random
        files, folders = self.names('f'), self.names('d')
        empty = [d for d in folders if not any(p.startswith(f'{d}/') for p in self.nodes)]
        acts = [(6, lambda: ('append', 'log', r.randrange(10**9), r.randrange(1, 200), r.random() < 0.2))]
        if len(self.nodes) < maxNodes:
            acts += [(10, lambda: ('create', self.fresh(), r.choice([0o644, 0o600, 0o755]))), (4, lambda: ('mkdir', self.fresh()))]
            acts += [(2, lambda: ('symlink', self.fresh(), f'target-{r.randrange(1000)}'))]
        if files:
            acts += [(2 if len(self.nodes) < maxNodes else 14, lambda: ('unlink', r.choice(files)))]
            some = lambda: r.choice(files)
            acts += [
                (20, lambda: ('write', some(), r.randrange(10**9), r.choice([1, 100, 4096, r.randrange(30_000), 100_000]), r.randrange(50_000), r.random() < 0.25)),
                (4, lambda: ('truncate', some(), r.randrange(50_000))),
                (8, lambda: ('rename', some(), self.fresh())),
                (5, lambda: ('rename', some(), some())),
                (3, lambda: ('chmod', some(), r.choice([0o644, 0o600, 0o711]))),
                (4, lambda: ('utime', some(), r.randrange(10**18, 2 * 10**18))),
                (2, lambda: ('link', some(), self.fresh())),
                (2, lambda: ('copy', some(), some(), r.randrange(1, 30_000))),
            ]
        if folders:
            acts += [(3, lambda: self.moved(r.choice(folders)))]
        if empty:
            acts += [(2 if len(self.nodes) < maxNodes else 14, lambda: ('rmdir', r.choice(empty)))]
        while True:
            act = r.choices([a for _, a in acts], [w for w, _ in acts])[0]()
            if act is not None and not (act[0] in ('rename', 'copy') and act[1] == act[2]):
                return act

    def moved(self, folder):
        to = self.fresh()
        return None if to.startswith(f'{folder}/') else ('rename', folder, to)

    def execute(self, kind, path, *args):
        whole = self.at(path)
        if kind == 'append':
            self.whole(os.write(self.log, noise(*args[:2])), args[1])
            if args[2]:
                os.fsync(self.log)
        elif kind == 'create':
            os.close(os.open(whole, os.O_CREAT | os.O_EXCL | os.O_WRONLY, args[0]))
        elif kind == 'write':
            seed, size, offset, sync = args
            fd = os.open(whole, os.O_WRONLY)
            try:
                self.whole(os.pwrite(fd, noise(seed, size), offset), size)
                if sync:
                    os.fsync(fd)
            finally:
                os.close(fd)
        elif kind == 'copy':
            a, b = os.open(whole, os.O_RDONLY), os.open(self.at(args[0]), os.O_WRONLY)
            try:
                done, size = 0, min(args[1], len(self.nodes[path][1]))
                while done < size:
                    done += os.copy_file_range(a, b, size - done, done, done) or sys.exit('copy_file_range stopped')
            finally:
                os.close(a)
                os.close(b)
        elif kind == 'utime':
            os.utime(whole, ns=(args[0], args[0]))
        elif kind in ('rename', 'link'):
            getattr(os, kind)(whole, self.at(args[0]))
        elif kind == 'symlink':
            os.symlink(args[0], whole)
        elif kind in ('mkdir', 'rmdir', 'unlink', 'chmod', 'truncate'):
            getattr(os, kind)(whole, *args)

    @staticmethod
    def whole(done, size):
        if done != size:
            raise OSError(errno.ENOTCONN, f'the mount went after {done} of {size} bytes')

    @staticmethod
    def apply(nodes, act):
        """Does to the model what the call does."""
        kind, path, *args = act

        def put(node, data, offset):
            old = node[1].ljust(offset, b'\0') if data else node[1]
            node[1] = old[:offset] + data + old[offset + len(data):]
            node[3] = None if data else node[3]

        if kind == 'append':
            put(nodes[path], noise(*args[:2]), len(nodes[path][1]))
        elif kind == 'create':
            nodes[path] = ['f', b'', args[0], None]
        elif kind == 'mkdir':
            nodes[path] = ['d', b'', 0o755, None]
        elif kind == 'symlink':
            nodes[path] = ['l', args[0].encode(), 0o777, None]
        elif kind == 'write':
            put(nodes[path], noise(*args[:2]), args[2])
        elif kind == 'copy':
            put(nodes[args[0]], nodes[path][1][:args[1]], 0)
        elif kind == 'truncate':
            node = nodes[path]
            node[1], node[3] = node[1][:args[0]].ljust(args[0], b'\0'), None
        elif kind == 'chmod':
            nodes[path][2] = args[0]
        elif kind == 'utime':
            nodes[path][3] = args[0]
        elif kind in ('unlink', 'rmdir'):
            del nodes[path]
        elif kind == 'link':
            nodes[args[0]] = list(nodes[path])
        elif kind == 'rename':
            for old in [p for p in nodes if p == path or p.startswith(f'{path}/')]:
                nodes[args[0] + old[len(path):]] = nodes.pop(old)

    def found(self, root):
        """The folder as it is, in the shape of the model."""
        nodes = {}
        for at, folders, files in os.walk(root, onerror=self.raised):
            for name in [''] * (at == root) + folders + files:
                whole = os.path.join(at, name) if name else at
                s = os.lstat(whole)
                kind = 'l' if stat.S_ISLNK(s.st_mode) else 'd' if stat.S_ISDIR(s.st_mode) else 'f'
                content = b''
                if kind == 'l':
                    content = os.readlink(whole).encode()
                if kind == 'f':
                    with open(whole, 'rb') as f:
                        content = f.read()
                    if len(content) != s.st_size:
                        raise AssertionError(f'{whole}: {s.st_size} bytes long, {len(content)} read')
                nodes[os.path.relpath(whole, root) if whole != root else ''] = [kind, content, s.st_mode & 0o7777, s.st_mtime_ns]
        return nodes

    @staticmethod
    def raised(error):
        raise error

    def possible(self, found):
        """The states that the kill may have left, the one with all of the last call first."""
        if self.pending is None:
            return [self.nodes]
        nodes = {p: list(n) for p, n in self.nodes.items()}
        self.apply(nodes, self.pending)
        torn = self.torn(nodes, found)
        return [nodes] + ([torn] if torn else []) + [self.nodes]

    def torn(self, whole, found):
        """A write that had no answer may be there in part: each of its bytes is the old or the new one. None when that is not what is found."""
        kind, path, *args = self.pending
        if kind not in ('append', 'write', 'copy'):
            return None
        path = args[0] if kind == 'copy' else path
        old, new = self.nodes[path][1], whole[path][1]
        content = found[path][1] if path in found else b''
        if not len(old) <= len(content) <= len(new):
            return None
        for byte, before, after in zip(content, old.ljust(len(new), b'\0'), new):
            if byte not in (before, after):
                return None
        nodes = {p: list(n) for p, n in self.nodes.items()}
        nodes[path][1], nodes[path][3] = content, None
        return nodes

    @staticmethod
    def difference(want, found):
        if set(want) != set(found):
            return f'names: missing {sorted(set(want) - set(found))[:5]}, too many {sorted(set(found) - set(want))[:5]}'
        for path, (kind, content, mode, time) in want.items():
            k, c, m, t = found[path]
            if kind != k or mode != m or (time is not None and time != t):
                return f'{path}: {kind} {mode:o} {time}, found {k} {m:o} {t}'
            if content != c:
                at = next((i for i, (x, y) in enumerate(zip(content, c)) if x != y), min(len(content), len(c)))
                return f'{path}: {len(content)} bytes, found {len(c)}, different from {at} on'
        return None

    def check(self, root):
        found = self.found(root)
        differences = []
        for state in self.possible(found):
            different = self.difference(state, found)
            if different is None:
                self.nodes = {p: list(n) for p, n in state.items()}
                self.pending = None
                if self.twins and all(t in state for t in self.twins):
                    self.follow = ('unlink', self.twins[0])
                return None
            differences.append(different)
        return f'{root}: after {self.acknowledged} operations, with {self.pending} under way: {differences[0]} / {differences[-1]}'


base, writers, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
all_writers = [Writer(base, n, seed) for n in range(writers)]
for w in all_writers:
    os.mkdir(w.root, 0o755)
print('ready', flush=True)
for line in sys.stdin:
    order, *args = line.split()
    if order == 'go':
        threads = [threading.Thread(target=w.run) for w in all_writers]
        for t in threads:
            t.start()
        print('started', flush=True)
        for t in threads:
            t.join()
        failures = [w.failure for w in all_writers if w.failure]
        print(f'failed {failures}' if failures else f'stopped {sum(w.acknowledged for w in all_writers)}', flush=True)
    else:
        where = args[0] if args else base
        wrong = []
        for n, w in enumerate(all_writers):
            try:
                wrong += [w.check(os.path.join(where, f'w{n}'))]
            except Exception as e:
                wrong += [f'w{n}: {e!r}']
        wrong = [w for w in wrong if w]
        print(f'wrong {wrong}' if wrong else 'ok', flush=True)
