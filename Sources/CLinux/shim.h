/* What Linux has and Swift's Glibc hides: each with the reason at its declaration. */
#ifndef CULVER_CLINUX_SHIM_H
#define CULVER_CLINUX_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#endif
