#include "faulty_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A write since the last sync, or a truncation: `bytes` is NULL. */
struct change {
    sqlite3_int64 offset;
    int length;
    char *bytes;
    int is_lost; /* a sync that was to make it durable has failed: no later one will */
};

/* What is durable of one file, and what is not yet. */
struct image {
    char *path;
    char *bytes;
    sqlite3_int64 size;
    struct change *changes;
    int count;
    struct image *next;
};

struct faulty_disk {
    char *directory;
    int fault, calls;
    long nth, length, count;
    int is_cut;
    struct image *images;
    struct faulty_disk *next;
};

struct file {
    sqlite3_file base;
    faulty_disk *disk;   /* NULL: somebody else's file */
    struct image *image; /* NULL: not worth remembering */
    sqlite3_file *real;
};

static sqlite3_vfs *plain;
static sqlite3_vfs faulty;
static faulty_disk *disks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local int last_error;

/* Images */

static void resize(struct image *image, sqlite3_int64 size) {
    if (size > image->size) {
        image->bytes = realloc(image->bytes, size);
        memset(image->bytes + image->size, 0, size - image->size);
    }
    image->size = size;
}

static void put(struct image *image, const struct change *change, int length) {
    if (change->bytes == NULL) {
        resize(image, change->offset);
        return;
    }
    if (image->size < change->offset + length) resize(image, change->offset + length);
    memcpy(image->bytes + change->offset, change->bytes, length);
}

static void note(struct image *image, const void *bytes, int length, sqlite3_int64 offset) {
    if (image == NULL) return;
    image->changes = realloc(image->changes, (image->count + 1) * sizeof(struct change));
    struct change *change = &image->changes[image->count++];
    *change = (struct change){.offset = offset, .length = length};
    if (bytes == NULL) return;
    change->bytes = malloc(length + 1);
    memcpy(change->bytes, bytes, length);
}

static void forget_changes(struct image *image) {
    for (int i = 0; i < image->count; i++) free(image->changes[i].bytes);
    free(image->changes);
    image->changes = NULL;
    image->count = 0;
}

static void synced(struct image *image) {
    if (image == NULL) return;
    for (int i = 0; i < image->count; i++) {
        if (!image->changes[i].is_lost) put(image, &image->changes[i], image->changes[i].length);
    }
    forget_changes(image);
}

static void lost(struct image *image) {
    if (image == NULL) return;
    for (int i = 0; i < image->count; i++) image->changes[i].is_lost = 1;
}

static struct image *image_of(faulty_disk *disk, const char *path) {
    for (struct image *image = disk->images; image != NULL; image = image->next) {
        if (strcmp(image->path, path) == 0) return image;
    }
    struct image *image = calloc(1, sizeof *image);
    image->path = strdup(path);
    image->next = disk->images;
    disk->images = image;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return image;
    resize(image, lseek(file, 0, SEEK_END));
    if (pread(file, image->bytes, image->size, 0) != image->size) abort();
    close(file);
    return image;
}

static void drop_image(faulty_disk *disk, const char *path) {
    for (struct image **place = &disk->images; *place != NULL; place = &(*place)->next) {
        struct image *image = *place;
        if (strcmp(image->path, path) != 0) continue;
        *place = image->next;
        forget_changes(image);
        free(image->bytes);
        free(image->path);
        free(image);
        return;
    }
}

void faulty_disk_settle(faulty_disk *disk, unsigned chance) {
    for (struct image *image = disk->images; image != NULL; image = image->next) {
        for (int i = 0; i < image->count; i++) {
            const struct change *change = &image->changes[i];
            int dice = chance < 2 ? (int)chance : rand_r(&chance) % 3;
            if (dice == 1) put(image, change, change->length);
            if (dice == 2) put(image, change, change->length / 2);
        }
        forget_changes(image);
        int file = open(image->path, O_WRONLY | O_CLOEXEC);
        if (file < 0) continue;
        if (ftruncate(file, 0) != 0 || pwrite(file, image->bytes, image->size, 0) != image->size) abort();
        close(file);
    }
    disk->is_cut = 0;
    disk->nth = 0;
}

/* Faults */

/* SQLite's code when this call is to fail, else SQLITE_OK. */
static int strike(faulty_disk *disk, int calls, int code) {
    if (disk == NULL) return SQLITE_OK;
    if (disk->is_cut) {
        last_error = errno = EIO;
        return code;
    }
    if (disk->calls != calls) return SQLITE_OK;
    disk->count++;
    if (disk->nth == 0 || disk->count < disk->nth || disk->count >= disk->nth + disk->length) return SQLITE_OK;
    disk->is_cut = disk->fault == FAULTY_DISK_CUT;
    int is_full = disk->fault == FAULTY_DISK_FULL || disk->fault == FAULTY_DISK_SHORT;
    last_error = errno = is_full ? ENOSPC : EIO;
    /* As SQLite's own VFS for Unix says it: only a write knows of a full disk. */
    return is_full && code == SQLITE_IOERR_WRITE ? SQLITE_FULL : code;
}

/* A file */

static int file_close(sqlite3_file *base) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xClose(file->real);
}

static int file_read(sqlite3_file *base, void *bytes, int length, sqlite3_int64 offset) {
    struct file *file = (struct file *)base;
    int code = strike(file->disk, FAULTY_DISK_READS, SQLITE_IOERR_READ);
    return code != SQLITE_OK ? code : file->real->pMethods->xRead(file->real, bytes, length, offset);
}

static int file_write(sqlite3_file *base, const void *bytes, int length, sqlite3_int64 offset) {
    struct file *file = (struct file *)base;
    int was_cut = file->disk != NULL && file->disk->is_cut;
    int code = strike(file->disk, FAULTY_DISK_CHANGES, SQLITE_IOERR_WRITE);
    if (code != SQLITE_OK) {
        if (was_cut || file->disk->fault == FAULTY_DISK_FULL || file->disk->fault == FAULTY_DISK_EIO) return code;
        length /= 2;
    }
    int outcome = file->real->pMethods->xWrite(file->real, bytes, length, offset);
    if (outcome == SQLITE_OK) note(file->image, bytes, length, offset);
    return code != SQLITE_OK ? code : outcome;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
    struct file *file = (struct file *)base;
    int code = strike(file->disk, FAULTY_DISK_CHANGES, SQLITE_IOERR_TRUNCATE);
    if (code != SQLITE_OK) return code;
    code = file->real->pMethods->xTruncate(file->real, size);
    if (code == SQLITE_OK) note(file->image, NULL, 0, size);
    return code;
}

/* Not synced in earnest: what is durable is counted here, and the tests are many. */
static int file_sync(sqlite3_file *base, int flags) {
    struct file *file = (struct file *)base;
    if (file->disk == NULL) return file->real->pMethods->xSync(file->real, flags);
    int was_cut = file->disk->is_cut;
    int code = strike(file->disk, FAULTY_DISK_CHANGES, SQLITE_IOERR_FSYNC);
    if (code == SQLITE_OK) synced(file->image);
    else if (!was_cut) lost(file->image);
    return code;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xFileSize(file->real, size);
}

static int file_lock(sqlite3_file *base, int level) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xLock(file->real, level);
}

static int file_unlock(sqlite3_file *base, int level) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xUnlock(file->real, level);
}

static int file_check_lock(sqlite3_file *base, int *is_held) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xCheckReservedLock(file->real, is_held);
}

static int file_control(sqlite3_file *base, int operation, void *argument) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xFileControl(file->real, operation, argument);
}

static int file_sector(sqlite3_file *base) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xSectorSize(file->real);
}

static int file_traits(sqlite3_file *base) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xDeviceCharacteristics(file->real) & SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_map(sqlite3_file *base, int page, int size, int extend, void volatile **memory) {
    struct file *file = (struct file *)base;
    int code = extend ? strike(file->disk, FAULTY_DISK_CHANGES, SQLITE_IOERR_SHMSIZE) : SQLITE_OK;
    return code != SQLITE_OK ? code : file->real->pMethods->xShmMap(file->real, page, size, extend, memory);
}

static int file_shared_lock(sqlite3_file *base, int offset, int count, int flags) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xShmLock(file->real, offset, count, flags);
}

static void file_barrier(sqlite3_file *base) {
    struct file *file = (struct file *)base;
    file->real->pMethods->xShmBarrier(file->real);
}

static int file_unmap(sqlite3_file *base, int is_deleted) {
    struct file *file = (struct file *)base;
    return file->real->pMethods->xShmUnmap(file->real, is_deleted);
}

/* Version 2: without xFetch, so that nothing is read past us. */
static const sqlite3_io_methods methods = {
    2,           file_close,      file_read,    file_write,  file_truncate, file_sync,        file_size,
    file_lock,   file_unlock,     file_check_lock, file_control, file_sector, file_traits,    file_map,
    file_shared_lock, file_barrier, file_unmap, NULL,        NULL,
};

/* The VFS */

static faulty_disk *disk_of(const char *path) {
    faulty_disk *found = NULL;
    if (path == NULL) return NULL;
    pthread_mutex_lock(&lock);
    for (faulty_disk *disk = disks; disk != NULL && found == NULL; disk = disk->next) {
        size_t length = strlen(disk->directory);
        if (strncmp(path, disk->directory, length) == 0 && path[length] == '/') found = disk;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *base, int flags, int *given) {
    (void)vfs;
    struct file *file = (struct file *)base;
    memset(file, 0, sizeof *file);
    file->disk = disk_of(path);
    file->real = (sqlite3_file *)(file + 1);
    int code = strike(file->disk, FAULTY_DISK_CHANGES, SQLITE_CANTOPEN);
    if (code == SQLITE_OK) code = plain->xOpen(plain, path, file->real, flags, given);
    if (code != SQLITE_OK) return code;
    if (file->disk != NULL) file->image = image_of(file->disk, path);
    file->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int is_synced) {
    (void)vfs;
    faulty_disk *disk = disk_of(path);
    int code = strike(disk, FAULTY_DISK_CHANGES, SQLITE_IOERR_DELETE);
    if (code != SQLITE_OK) return code;
    code = plain->xDelete(plain, path, is_synced);
    if (code == SQLITE_OK && disk != NULL) drop_image(disk, path);
    return code;
}

static int vfs_last_error(sqlite3_vfs *vfs, int length, char *words) {
    (void)vfs, (void)length, (void)words;
    int error = last_error;
    last_error = 0;
    return error != 0 ? error : plain->xGetLastError(plain, length, words);
}

static void install(void) {
    plain = sqlite3_vfs_find(NULL);
    faulty = *plain;
    faulty.zName = "faulty";
    faulty.pNext = NULL;
    faulty.szOsFile = (int)sizeof(struct file) + plain->szOsFile;
    faulty.xOpen = vfs_open;
    faulty.xDelete = vfs_delete;
    faulty.xGetLastError = vfs_last_error;
    sqlite3_vfs_register(&faulty, 1);
}

/* Disks */

faulty_disk *faulty_disk_make(const char *directory) {
    pthread_once(&once, install);
    char *path = realpath(directory, NULL);
    if (path == NULL) return NULL;
    faulty_disk *disk = calloc(1, sizeof *disk);
    disk->directory = path;
    pthread_mutex_lock(&lock);
    disk->next = disks;
    disks = disk;
    pthread_mutex_unlock(&lock);
    return disk;
}

void faulty_disk_free(faulty_disk *disk) {
    pthread_mutex_lock(&lock);
    for (faulty_disk **place = &disks; *place != NULL; place = &(*place)->next) {
        if (*place != disk) continue;
        *place = disk->next;
        break;
    }
    pthread_mutex_unlock(&lock);
    while (disk->images != NULL) drop_image(disk, disk->images->path);
    free(disk->directory);
    free(disk);
}

void faulty_disk_fail(faulty_disk *disk, int fault, int calls, long nth, long length) {
    disk->fault = fault;
    disk->calls = calls;
    disk->nth = nth;
    disk->length = length;
    disk->count = 0;
}

long faulty_disk_count(const faulty_disk *disk) {
    return disk->count;
}
