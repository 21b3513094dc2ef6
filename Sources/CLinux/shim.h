/* What Linux has and Swift's Glibc hides: each with the reason at its declaration. */
#ifndef CULVER_CLINUX_SHIM_H
#define CULVER_CLINUX_SHIM_H

/* No _GNU_SOURCE here: Swift's Glibc module is built without, and two modules that see different structs do not load
   together. What hides behind it is declared below by hand. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Peer credentials and accept4: glibc shows them only with _GNU_SOURCE. */
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* since Linux 4.13; older kernel headers lack the name */
#endif
extern int accept4(int, struct sockaddr *__restrict, socklen_t *__restrict, int);

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

#endif
