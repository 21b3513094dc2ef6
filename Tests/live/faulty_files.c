/* Loaded into a daemon before glibc: its calls that change files below $FAULTY_DIRECTORY fail with the number that
   stands at the beginning of $FAULTY_CONTROL, a file of four bytes; 0: they do not fail, -1: they wait until it is
   another number. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const volatile int *control;
static const char *directory;
static size_t length;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTY_CONTROL");
    directory = getenv("FAULTY_DIRECTORY");
    if (path == NULL || directory == NULL) return;
    length = strlen(directory);
    int file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    void *memory = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(int), PROT_READ, MAP_SHARED, file, 0);
    if (memory != MAP_FAILED) control = memory;
    if (file >= 0) close(file);
}

/* A full disk takes no more, but gives names up and syncs what it has. */
static int fails(const char *path, int takes_room) {
    int code = control == NULL ? 0 : *control;
    if (code == 0 || strncmp(path, directory, length) != 0) return 0;
    if (code == ENOSPC && !takes_room) return 0;
    while (code < 0) {
        usleep(10000);
        code = *control;
    }
    if (code == 0) return 0;
    errno = code;
    return 1;
}

static int fails_on(int file, int takes_room) {
    if (control == NULL || *control == 0) return 0;
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count < 0) return 0;
    path[count] = 0;
    return fails(path, takes_room);
}

static int opened(const char *path, int flags, mode_t mode) {
    int is_new = (flags & O_CREAT) && access(path, F_OK) != 0;
    int is_written = (flags & O_ACCMODE) != O_RDONLY && control != NULL && *control == EROFS;
    if ((is_new || is_written) && fails(path, 1)) return -1;
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return opened(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return opened(path, flags | O_LARGEFILE, mode);
}

ssize_t write(int file, const void *bytes, size_t count) {
    return fails_on(file, 1) ? -1 : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return fails_on(file, 1) ? -1 : syscall(SYS_pwrite64, file, bytes, count, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return pwrite(file, bytes, count, offset);
}

int ftruncate(int file, off_t size) {
    return fails_on(file, 0) ? -1 : syscall(SYS_ftruncate, file, size);
}

int ftruncate64(int file, off64_t size) {
    return ftruncate(file, size);
}

int fsync(int file) {
    return fails_on(file, 0) ? -1 : syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    return fails_on(file, 0) ? -1 : syscall(SYS_fdatasync, file);
}

int rename(const char *path, const char *target) {
    return fails(target, 0) ? -1 : syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, target, 0);
}

int unlink(const char *path) {
    return fails(path, 0) ? -1 : syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode) {
    return fails(path, 1) ? -1 : syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
