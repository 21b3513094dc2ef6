#ifndef CULVER_FAULTY_CALLS_H
#define CULVER_FAULTY_CALLS_H

#include <stddef.h>

/* The system's calls that change files, in place of glibc's in the whole program of the tests. They do what those do;
   in a thread that watches, a function hears of each call before it is made and may have it fail. */

enum faulty_call {
    FAULTY_CALL_OPEN = 0, /* only for making a file */
    FAULTY_CALL_WRITE = 1,
    FAULTY_CALL_SYNC = 2,
    FAULTY_CALL_RENAME = 3,
    FAULTY_CALL_REMOVE = 4,
    FAULTY_CALL_MAKE = 5, /* a directory */
    FAULTY_CALL_OTHER = 6,
};

/* 0, or the error that the call fails with. `target` is that of a rename, `length` that of a write, which it may
   shorten. Calls that it makes itself are not watched. */
typedef int (*faulty_call_watch)(
    void *context, enum faulty_call call, const char *path, const char *target, size_t *length);

/* For the calling thread; NULL ends it. */
void faulty_calls_watch(faulty_call_watch watch, void *context);

#endif
