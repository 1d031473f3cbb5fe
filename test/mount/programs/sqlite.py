"""sqlite.py FILE MODE: two processes write into one database; then its integrity is checked."""
import os, sqlite3, sys

path, mode = sys.argv[1:]
with sqlite3.connect(path) as db:
    assert db.execute(f'pragma journal_mode={mode}').fetchone()[0] == mode
    db.execute('create table t (who integer, n integer)')
writers = []
for who in range(2):
    pid = os.fork()
    if pid == 0:
        db = sqlite3.connect(path, timeout=300)
        for n in range(50):
            with db:
                db.execute('begin immediate')
                db.execute('insert into t values (?, ?)', (who, n))
        os._exit(0)
    writers.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in writers)
db = sqlite3.connect(path)
assert db.execute('pragma integrity_check').fetchone()[0] == 'ok'
print(db.execute('select count(*), sum(n) from t').fetchone())
