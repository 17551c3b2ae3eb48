// Dies four calls deep while another thread sleeps.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
static volatile int sleeping;
static char *kept;
static int depth(int n, char *p) { if (n == 0) *(volatile int *)0 = 1; return depth(n - 1, p) + p[0]; }
static void *sleeper(void *x) { sleeping = gettid(); for (;;) pause(); return x; }
// Until the thread that has said so is asleep.
static void wait_for_sleeper(void) {
    char path[64], state = 0;
    while (!sleeping) sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", sleeping);
    while (state != 'S') {
        FILE *f = fopen(path, "r");
        if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = 0;
        fclose(f);
        sched_yield();
    }
}
int main(void) {
    kept = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(kept, "kept in the core");
    char *secret = mmap(0, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 1 << 20; i += 16) memcpy(secret + i, "left-out-of-core", 16);
    madvise(secret, 1 << 20, MADV_DONTDUMP);
    pthread_t t;
    pthread_create(&t, 0, sleeper, 0);
    wait_for_sleeper();
    return depth(3, kept);
}
