#ifndef CULVER_FAULTY_DISK_H
#define CULVER_FAULTY_DISK_H

/* A disk that fails when it is told to: a VFS of SQLite's that passes everything on to the default one, but counts and
   breaks the calls for files below one directory, and remembers what was never synced. For tests alone. One thread at
   a time for each disk. */
typedef struct faulty_disk faulty_disk;

enum faulty_disk_fault {
    FAULTY_DISK_FULL = 0,  /* nothing of a write arrives, no space is left */
    FAULTY_DISK_SHORT = 1, /* half of a write arrives, no space is left for the rest */
    FAULTY_DISK_EIO = 2,   /* nothing is done: input/output error */
    FAULTY_DISK_CUT = 3,   /* half of a write arrives, and nothing after it */
};

/* The faults of writes, syncs, truncations, deletions, openings and growing shared memory; or of reads. */
enum faulty_disk_calls {
    FAULTY_DISK_CHANGES = 0,
    FAULTY_DISK_READS = 1,
};

/* Files that SQLite opens below `directory` from now on are on this disk; NULL when there is no such directory. */
faulty_disk *faulty_disk_make(const char *directory);

/* Its files must be closed. From then on the directory is like any other. */
void faulty_disk_free(faulty_disk *disk);

/* The `nth` call from now on fails (0: none), and so do those after it, `length` in all. Counts from 0 again. */
void faulty_disk_fail(faulty_disk *disk, int fault, int calls, long nth, long length);

/* Calls of the chosen sort since `faulty_disk_fail`. */
long faulty_disk_count(const faulty_disk *disk);

/* The files as a power cut leaves them, and power again: what was synced, and of the writes since, by `chance`, 0: none, 1: all, other
   numbers: some, in part. What a failed sync was to bring to the disk is among them for good. */
void faulty_disk_settle(faulty_disk *disk, unsigned chance);

#endif
