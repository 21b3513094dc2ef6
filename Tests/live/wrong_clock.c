// A clock that is wrong, for the tests: loaded into a daemon, it adds the seconds that stand in the file WRONG_CLOCK, a
// 64-bit integer that may change at any time, to CLOCK_REALTIME. The other clocks are as they are.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset(void) {
    static volatile int64_t *place;
    if (place == NULL) {
        const char *path = getenv("WRONG_CLOCK");
        int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *place, PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        if (mapped != MAP_FAILED) place = mapped;
    }
    return place;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    volatile int64_t *wrong = clock == CLOCK_REALTIME ? offset() : NULL;
    if (result == 0 && wrong != NULL) time->tv_sec += *wrong;
    return result;
}
