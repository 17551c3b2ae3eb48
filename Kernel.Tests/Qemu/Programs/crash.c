// Dies four calls deep while another thread sleeps.
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
static pthread_barrier_t ready;
static char *kept;
static int depth(int n, char *p) { if (n == 0) *(volatile int *)0 = 1; return depth(n - 1, p) + p[0]; }
static void *sleeper(void *x) { pthread_barrier_wait(&ready); for (;;) pause(); return x; }
int main(void) {
    kept = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(kept, "kept in the core");
    char *secret = mmap(0, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 1 << 20; i += 16) memcpy(secret + i, "left-out-of-core", 16);
    madvise(secret, 1 << 20, MADV_DONTDUMP);
    pthread_t t;
    pthread_barrier_init(&ready, 0, 2);
    pthread_create(&t, 0, sleeper, 0);
    pthread_barrier_wait(&ready);
    return depth(3, kept);
}
