"""fsx.py SEED COUNT FILE [nommap]: random reads, writes, truncations, mappings, holes and copies in one file, all checked against memory."""
import ctypes, mmap, os, random, sys

seed, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
uses_mmap = 'nommap' not in sys.argv
libc = ctypes.CDLL(None, use_errno=True)
r = random.Random(seed)
limit = 256 * 1024
model = bytearray()
fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)


def grow(size):
    if size > len(model):
        model.extend(bytes(size - len(model)))


def span():
    offset = r.randrange(limit)
    return offset, min(r.choice([r.randrange(1, 100), r.randrange(1, 65536)]), limit - offset) or 1


def write():
    offset, length = span()
    data = r.randbytes(length)
    assert os.pwrite(fd, data, offset) == length
    grow(offset + length)
    model[offset:offset + length] = data


def read():
    offset, length = span()
    got = os.pread(fd, length, offset)
    assert got == model[offset:offset + length], f'read {offset}+{length}'


def truncate():
    size = r.randrange(limit)
    os.ftruncate(fd, size)
    grow(size)
    del model[size:]


def punch():
    offset, length = span()
    assert libc.fallocate64(fd, 3, ctypes.c_int64(offset), ctypes.c_int64(length)) == 0
    end = min(offset + length, len(model))
    if end > offset:
        model[offset:end] = bytes(end - offset)


def map_read():
    if len(model) == 0:
        return
    with mmap.mmap(fd, len(model), prot=mmap.PROT_READ) as m:
        offset = r.randrange(len(model))
        assert m[offset:offset + 20000] == model[offset:offset + 20000], f'mapped read {offset}'


def map_write():
    if len(model) == 0:
        return
    with mmap.mmap(fd, len(model)) as m:
        offset = r.randrange(len(model))
        data = r.randbytes(min(r.randrange(1, 20000), len(model) - offset))
        m[offset:offset + len(data)] = data
        model[offset:offset + len(data)] = data
        if r.random() < 0.3:
            m.flush()


def copy():
    length = r.randrange(1, 30000)
    source, target = r.randrange(limit - length), r.randrange(limit - length)
    if abs(source - target) < length or source >= len(model):
        return
    want = bytes(model[source:source + length])
    done = 0
    while done < len(want):
        got = os.copy_file_range(fd, fd, len(want) - done, source + done, target + done)
        assert got > 0, 'copy_file_range stopped'
        done += got
    grow(target + done)
    model[target:target + done] = want


def reopen():
    global fd
    if r.random() < 0.5:
        os.fsync(fd)
    os.close(fd)
    fd = os.open(path, os.O_RDWR)


def whole():
    assert os.fstat(fd).st_size == len(model), f'size {os.fstat(fd).st_size}, not {len(model)}'
    assert os.pread(fd, limit * 2, 0) == model, 'content'


acts = [(write, 20), (read, 20), (truncate, 4), (punch, 4), (copy, 4), (reopen, 1), (whole, 1)]
if uses_mmap:
    acts += [(map_read, 10), (map_write, 10)]
for n in range(count):
    act = r.choices([a for a, _ in acts], [w for _, w in acts])[0]
    try:
        act()
    except AssertionError as e:
        sys.exit(f'operation {n} of seed {seed} ({act.__name__}) was wrong: {e}')
whole()
