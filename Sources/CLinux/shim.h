/* What Linux has and Swift's Glibc hides: each with the reason at its declaration. */
#ifndef CULVER_CLINUX_SHIM_H
#define CULVER_CLINUX_SHIM_H

/* No _GNU_SOURCE here: Swift's Glibc module is built without, and two modules that see different structs do not load
   together. What hides behind it is declared below by hand. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Peer credentials and accept4: glibc shows them only with _GNU_SOURCE. */
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* since Linux 4.13; older kernel headers lack the name */
#endif
extern int accept4(int, struct sockaddr *__restrict, socklen_t *__restrict, int);

/* Everything that was written to one file system is on its disk: glibc shows it only with _GNU_SOURCE. */
extern int syncfs(int descriptor);

struct culver_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/* 0, or -1 with errno. */
static inline int culver_peer_credentials(int descriptor, struct culver_credentials *peer) {
    socklen_t length = sizeof *peer;
    return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, peer, &length);
}

/* How many groups there are, at most `room` of them written; -1 with errno (ERANGE: more than `room`). */
static inline int culver_peer_groups(int descriptor, gid_t *groups, int room) {
    socklen_t length = (socklen_t)((size_t)room * sizeof *groups);
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0) return -1;
    return (int)(length / sizeof *groups);
}

/* The next client, non-blocking and not inherited by programs that we start; -1 with errno. */
static inline int culver_accept(int descriptor) {
    return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* epoll with a plain struct: Swift cannot name the union inside struct epoll_event on every architecture alike. */
struct culver_ready {
    uint64_t token;
    int readable;
    int writable;
    int gone; /* both directions are shut, or the descriptor is in error */
};

static inline int culver_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

/* Adds the descriptor or changes what it is watched for; level-triggered; -1 with errno. */
static inline int culver_epoll_set(int epoll, int descriptor, int reading, int writing, uint64_t token) {
    struct epoll_event event;
    event.events = (reading ? (uint32_t)EPOLLIN : 0u) | (writing ? (uint32_t)EPOLLOUT : 0u);
    event.data.u64 = token;
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event) == 0) return 0;
    return errno == ENOENT ? epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) : -1;
}

static inline int culver_epoll_remove(int epoll, int descriptor) {
    struct epoll_event none = {0};
    return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &none);
}

/* What is ready now, at most 64; does not wait; -1 with errno. */
static inline int culver_epoll_take(int epoll, struct culver_ready *ready, int room) {
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, room < 64 ? room : 64, 0);
    for (int index = 0; index < count; index += 1) {
        ready[index].token = events[index].data.u64;
        ready[index].readable = (events[index].events & (uint32_t)EPOLLIN) != 0;
        ready[index].writable = (events[index].events & (uint32_t)EPOLLOUT) != 0;
        ready[index].gone = (events[index].events & (uint32_t)(EPOLLHUP | EPOLLERR)) != 0;
    }
    return count;
}

/* Hides behind _GNU_SOURCE. How large the stacks of new threads are; 0, or an error number. */
extern int pthread_setattr_default_np(const pthread_attr_t *);

static inline int culver_limit_stacks(size_t bytes) {
    pthread_attr_t attributes;
    int fault = pthread_attr_init(&attributes);
    if (fault != 0) return fault;
    fault = pthread_attr_setstacksize(&attributes, bytes);
    if (fault == 0) fault = pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
    return fault;
}

/* prctl is variadic. No core dump, and no look into our memory for other processes of the same user; root may. */
static inline void culver_forbid_dumps(void) { (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

/* The name of the option, and the width of the time that it takes, are the libc's: with a time of 64 bits on 32-bit ARM
   Swift cannot name either. A write that takes longer fails; 0, or -1 with errno. */
static inline int culver_limit_sending(int socket, int seconds) {
    struct timeval limit = {0};
    limit.tv_sec = seconds;
    return setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* memfd_create hides behind _GNU_SOURCE, and `environ` is a global that Swift 6 does not let one touch. */
extern int memfd_create(const char *, unsigned int);
extern char **environ;

/* A file without a name, closed in programs that we start unless handed to them; -1 with errno. */
static inline int culver_memory_file(const char *name) { return memfd_create(name, 1u /* MFD_CLOEXEC */); }

static inline char **culver_environment(void) { return environ; }

/* glibc shows these only with _GNU_SOURCE. A program that is spawned has nothing open from `first` on, and works there. */
#include <spawn.h>
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *__restrict, const char *__restrict);

static inline int culver_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

static inline int culver_spawn_directory(posix_spawn_file_actions_t *actions, const char *path) {
    return posix_spawn_file_actions_addchdir_np(actions, path);
}

/* Whether something keeps the clock in step with others: 1 or 0; -1 when the kernel does not tell. Swift's Glibc has no
   adjtimex. */
static inline int culver_clock_is_synchronised(void) {
    struct timex state = {0};
    if (adjtimex(&state) < 0) return -1;
    return (state.status & STA_UNSYNC) == 0;
}

/* Globals as well. */
static inline FILE *culver_stdin(void) { return stdin; }
static inline FILE *culver_stdout(void) { return stdout; }
static inline FILE *culver_stderr(void) { return stderr; }

#endif
