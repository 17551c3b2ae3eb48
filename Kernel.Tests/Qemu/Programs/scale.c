// Many areas, sharers and threads, and calls that are refused: on Linux and on NanoVM it prints "all held".
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>
static int fails;
#define OK(x) do { if (!(x)) { printf("not ok line %d: %s\n", __LINE__, #x); fails++; } } while (0)
static pthread_barrier_t all;
static int shared_sum;
static void *thread(void *x) { pthread_barrier_wait(&all); __atomic_fetch_add(&shared_sum, (int)(long)x, __ATOMIC_RELAXED); return x; }
static char maps[2][1 << 16], ledger[2][1 << 14];
static void look(int i) {
    int f = open("/proc/self/maps", 0); int n = 0, r; while ((r = read(f, maps[i] + n, sizeof maps[i] - n)) > 0) n += r; close(f);
    f = open("/proc/ledger", 0); n = 0; while (f >= 0 && (r = read(f, ledger[i] + n, sizeof ledger[i] - n)) > 0) n += r; if (f >= 0) close(f);
}
int main(void) {
    /* 10,000 areas over fork: the child sees each, and gives all back */
    char *p[10000];
    for (int i = 0; i < 10000; i++) { p[i] = mmap(0, 4096, i & 1 ? 3 : 1, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); if (i & 1) *p[i] = (char)i; }
    int pid = fork();
    if (!pid) { for (int i = 1; i < 10000; i += 2) { if (*p[i] != (char)i) _exit(1); *p[i] = 0; } _exit(0); }
    int st = -1; waitpid(pid, &st, 0); OK(st == 0);
    for (int i = 1; i < 10000; i += 2) if (*p[i] != (char)i) { OK(0); break; }
    for (int i = 0; i < 10000; i++) munmap(p[i], 4096);
    /* 300 children that share one page until they write */
    char *page = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); page[0] = 7;
    int go[2], ready[2]; OK(pipe(go) == 0 && pipe(ready) == 0);
    int pids[300];
    for (int i = 0; i < 300; i++) if (!(pids[i] = fork())) { char c; close(go[1]); write(ready[1], "r", 1); read(go[0], &c, 1); if (page[0] != 7) _exit(99); page[0] = (char)i; _exit(page[0] == (char)i ? 0 : 98); }
    for (int i = 0; i < 300; i++) { char c; OK(read(ready[0], &c, 1) == 1); }
    int pm = open("/proc/self/pagemap", 0), kc = open("/proc/kpagecount", 0); unsigned long e = 0, count = 0;
    pread(pm, &e, 8, (unsigned long)page / 4096 * 8); pread(kc, &count, 8, (e & ((1ul << 55) - 1)) * 8); OK(count == 301); close(pm); close(kc);
    close(go[1]); for (int i = 0; i < 300; i++) { waitpid(pids[i], &st, 0); OK(st == 0); }
    OK(page[0] == 7);
    close(go[0]); close(ready[0]); close(ready[1]);
    /* 1,000 threads in one address space, all at once */
    pthread_attr_t a; pthread_attr_init(&a); pthread_attr_setstacksize(&a, 65536); pthread_barrier_init(&all, 0, 1001);
    static pthread_t t[1000];
    for (long i = 0; i < 1000; i++) OK(pthread_create(&t[i], &a, thread, (void *)i) == 0);
    pthread_barrier_wait(&all); for (int i = 0; i < 1000; i++) pthread_join(t[i], 0);
    OK(shared_sum == 999 * 1000 / 2);
    /* refused arguments change nothing */
    char *q = mmap(0, 16384, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); memset(q, 1, 16384);
    look(0); look(1); look(0);
    OK(mmap(0, 0, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    OK(mmap(0, 4096, 3, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    OK(mmap(0, 4096, 3, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
    OK(mmap(q, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    OK(mmap(q + 1, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL);
    OK(mmap(0, 1ul << 47, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    OK(munmap(q + 1, 4096) == -1 && errno == EINVAL); OK(munmap(q, 0) == -1 && errno == EINVAL); OK(munmap((void *)(1ul << 47), 4096) == -1 && errno == EINVAL);
    OK(mprotect(q + 1, 4096, 1) == -1 && errno == EINVAL); OK(mprotect(q, 4096, 1 << 20) == -1 && errno == EINVAL); OK(mprotect((void *)4096, 4096, 1) == -1 && errno == ENOMEM);
    OK(mremap(q + 1, 4096, 8192, 1) == MAP_FAILED && errno == EINVAL); OK(mremap(q, 4096, 0, 1) == MAP_FAILED && errno == EINVAL); OK(mremap(q, 4096, 4096, MREMAP_FIXED, q) == MAP_FAILED && errno == EINVAL);
    OK(mremap(q, 8192, 8192, MREMAP_FIXED | MREMAP_MAYMOVE, q + 4096) == MAP_FAILED && errno == EINVAL);
    OK(madvise(q + 1, 4096, MADV_DONTNEED) == -1 && errno == EINVAL); OK(madvise(q, 4096, 999) == -1 && errno == EINVAL); OK(madvise((void *)4096, 4096, MADV_DONTNEED) == -1 && errno == ENOMEM);
    OK(mlock((void *)4096, 4096) == -1 && errno == ENOMEM); OK(msync(q + 1, 4096, MS_SYNC) == -1 && errno == EINVAL); OK(brk((void *)1) != 0 || sbrk(0) != (void *)1);
    OK(mincore(q + 1, 4096, (unsigned char *)maps) == -1 && errno == EINVAL);
    look(1);
    OK(!strcmp(maps[0], maps[1])); OK(!strcmp(ledger[0], ledger[1]));
    printf(fails ? "failed %d\n" : "all held\n", fails);
    return fails != 0;
}
