#define _GNU_SOURCE
#include "faulty_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local faulty_call_watch watching;
static _Thread_local void *watcher;

void faulty_calls_watch(faulty_call_watch watch, void *context) {
    watching = watch;
    watcher = context;
}

/* Whether the call is to fail; then `errno` says with what. */
static int fails(enum faulty_call call, const char *path, const char *target, size_t *length) {
    faulty_call_watch watch = watching;
    if (watch == NULL) return 0;
    watching = NULL;
    int code = watch(watcher, call, path, target, length);
    watching = watch;
    if (code != 0) errno = code;
    return code != 0;
}

static int fails_on(int file, enum faulty_call call, size_t *length) {
    if (watching == NULL) return 0;
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count < 0) return 0;
    path[count] = 0;
    return fails(call, path, NULL, length);
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    if (flags & O_CREAT && fails(FAULTY_CALL_OPEN, path, NULL, NULL)) return -1;
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t write(int file, const void *bytes, size_t length) {
    if (fails_on(file, FAULTY_CALL_WRITE, &length)) return -1;
    return syscall(SYS_write, file, bytes, length);
}

int fsync(int file) {
    return fails_on(file, FAULTY_CALL_SYNC, NULL) ? -1 : syscall(SYS_fsync, file);
}

int rename(const char *path, const char *target) {
    if (fails(FAULTY_CALL_RENAME, path, target, NULL)) return -1;
    return syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, target, 0);
}

int unlink(const char *path) {
    return fails(FAULTY_CALL_REMOVE, path, NULL, NULL) ? -1 : syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rmdir(const char *path) {
    return fails(FAULTY_CALL_REMOVE, path, NULL, NULL) ? -1 : syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char *path, mode_t mode) {
    return fails(FAULTY_CALL_MAKE, path, NULL, NULL) ? -1 : syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int fchmod(int file, mode_t mode) {
    return fails_on(file, FAULTY_CALL_OTHER, NULL) ? -1 : syscall(SYS_fchmod, file, mode);
}

int ftruncate(int file, off_t length) {
    return fails_on(file, FAULTY_CALL_OTHER, NULL) ? -1 : syscall(SYS_ftruncate, file, length);
}
