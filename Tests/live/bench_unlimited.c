// For a daemon below valgrind, which shares its process: it limits the memory of both, and forbids valgrind's own commands
// to reach it. Loaded into it, this does neither.

#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) {
    (void)resource, (void)limit;
    return 0;
}

int prctl(int operation, ...) {
    if (operation == PR_SET_DUMPABLE) return 0;
    va_list arguments;
    va_start(arguments, operation);
    unsigned long values[4];
    for (int i = 0; i < 4; i++) values[i] = va_arg(arguments, unsigned long);
    va_end(arguments);
    return (int)syscall(SYS_prctl, operation, values[0], values[1], values[2], values[3]);
}
