# Maps files, forks, starts threads and checks sums; prints "python held".
import mmap, os, hashlib, threading, tempfile, sys
data = os.urandom(300000)
with tempfile.TemporaryFile() as f:
    f.write(data); f.flush()
    m = mmap.mmap(f.fileno(), 0)
    assert hashlib.sha256(m[:]).digest() == hashlib.sha256(data).digest()
    m[:5] = b'hello'
    f.seek(0); assert f.read(5) == b'hello'
pid = os.fork()
if pid == 0: m[:5] = b'child'; os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
assert m[:5] == b'child'
sums = []
ts = [threading.Thread(target=lambda i=i: sums.append(sum(range(i * 1000)))) for i in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]
assert sorted(sums) == sorted(sum(range(i * 1000)) for i in range(8))
print('python held')
