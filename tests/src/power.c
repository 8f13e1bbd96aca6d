/* A disk at its worst: loaded into a process ahead of the C library.
 *
 * Of each file below SYNCLINE_POWER_STATE the last content that was synced, and of each directory the names that it
 * had when it was synced, are kept in SYNCLINE_POWER_DISK. Cut the power (kill the process), and that is what is
 * there: whatever was written, created, renamed or removed and not synced since never happened.
 *
 *   DISK/files/INODE-BIRTH        what was synced of a file, by what the file is and not by its name
 *   DISK/files/INODE-BIRTH.lost   a byte for each page, 1 where a sync has failed: the system takes it for written,
 *                                 and it comes to the disk only once it is written anew
 *   DISK/tree/…                   the names, as links to the files
 *   DISK/whole                    once all is there that was when the process began: before, it did nothing
 *
 * A process that begins where DISK is there already goes on with it: the power was not cut.
 *
 * SYNCLINE_POWER_FAULTS names a file of four numbers of 32 bits, which a test may change at any time:
 *   1 where nothing more can be written, for want of room;  1 where no write takes more than a part of it;
 *   how many syncs there are to one that fails;  how many reads there are to one that fails;  0 is none.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096

struct faults {
    volatile uint32_t is_full, is_short, syncs, reads;
};

static const struct faults *faults;
/* Whether any sync has failed. */
static volatile int is_lost;
/* Whether it is this library that reads and writes. */
static __thread int is_inside;
static char state[PATH_MAX], disk[PATH_MAX];
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void enter(void) {
    pthread_mutex_lock(&one_at_a_time);
    is_inside = 1;
}

static void leave(void) {
    is_inside = 0;
    pthread_mutex_unlock(&one_at_a_time);
}

static void fail(const char *what, const char *path) {
    fprintf(stderr, "power: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

/* The place of what is kept of a file; 0 where there is no such file. */
static int kept_at(const char *path, char *kept) {
    struct statx it;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME | STATX_TYPE, &it) != 0) return 0;
    if (!S_ISREG(it.stx_mode)) return 0;
    snprintf(kept, PATH_MAX, "%s/files/%llu-%lld.%u", disk, (unsigned long long)it.stx_ino,
             (long long)it.stx_btime.tv_sec, it.stx_btime.tv_nsec);
    return 1;
}

/* Which pages of a file were lost: opened, or -1 where none was. */
static int lost_of(const char *kept, int flags) {
    char lost[PATH_MAX + 8];
    snprintf(lost, sizeof lost, "%s.lost", kept);
    return open(lost, flags | O_CLOEXEC, 0600);
}

/* Copies a file over what is kept of it, in place and without what was lost: cut off in the middle, what was kept
 * before is whole. Where the sync fails, nothing is copied, and what would have been is lost. */
static void keep(const char *path, int fails) {
    char kept[PATH_MAX], now[16 * PAGE], before[16 * PAGE];
    if (!kept_at(path, kept)) return;
    int from = open(path, O_RDONLY | O_CLOEXEC), to = open(kept, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int lost = is_lost || fails ? lost_of(kept, fails ? O_RDWR | O_CREAT : O_RDWR) : -1;
    if (to < 0) fail("can't write", kept);
    if (from >= 0) {
        off_t at = 0;
        ssize_t bytes;
        size_t most = lost < 0 ? sizeof now : PAGE;
        while ((bytes = pread(from, now, most, at)) > 0) {
            char was_lost = 0;
            ssize_t had = pread(to, before, (size_t)bytes, at);
            if (lost >= 0 && pread(lost, &was_lost, 1, at / PAGE) < 0) fail("can't read", kept);
            if ((had != bytes || memcmp(now, before, (size_t)bytes) != 0) && !was_lost) {
                if (fails && pwrite(lost, "\1", 1, at / PAGE) != 1) fail("can't write", kept);
                if (!fails && pwrite(to, now, (size_t)bytes, at) != bytes) fail("can't write", kept);
            }
            at += bytes;
        }
        if (!fails && ftruncate(to, at) != 0) fail("can't cut", kept);
        close(from);
    }
    if (lost >= 0) close(lost);
    close(to);
}

/* The names of a directory are from now on those that it has. */
static void keep_names(const char *path, int seeding) {
    char there[PATH_MAX], kept[PATH_MAX], ours[PATH_MAX], link_at[PATH_MAX];
    snprintf(there, sizeof there, "%s/tree%s", disk, path + strlen(state));
    mkdir(there, 0700);
    DIR *names = opendir(path);
    struct dirent *name;
    while (names && (name = readdir(names))) {
        if (strcmp(name->d_name, ".") == 0 || strcmp(name->d_name, "..") == 0) continue;
        snprintf(ours, sizeof ours, "%s/%s", path, name->d_name);
        snprintf(link_at, sizeof link_at, "%s/%s", there, name->d_name);
        if (kept_at(ours, kept)) {
            char new_link[PATH_MAX];
            if (seeding) keep(ours, 0);
            /* Of a file that was never synced there is a name alone. */
            close(open(kept, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
            snprintf(new_link, sizeof new_link, "%s/files/link", disk);
            unlink(new_link);
            if (link(kept, new_link) != 0) fail("can't link", kept);
            if (rename(new_link, link_at) != 0) fail("can't rename", link_at);
            /* rename() leaves both where they are one file already. */
            unlink(new_link);
        } else {
            struct stat it;
            if (stat(ours, &it) == 0 && S_ISDIR(it.st_mode)) {
                mkdir(link_at, 0700);
                if (seeding) keep_names(ours, 1);
            }
        }
    }
    if (names) closedir(names);
    names = opendir(there);
    while (names && (name = readdir(names))) {
        if (strcmp(name->d_name, ".") == 0 || strcmp(name->d_name, "..") == 0) continue;
        snprintf(ours, sizeof ours, "%s/%s", path, name->d_name);
        snprintf(link_at, sizeof link_at, "%s/%s", there, name->d_name);
        if (access(ours, F_OK) != 0) unlink(link_at);
    }
    if (names) closedir(names);
}

__attribute__((constructor)) static void begin(void) {
    const char *of = getenv("SYNCLINE_POWER_STATE"), *at = getenv("SYNCLINE_POWER_DISK");
    if (!of || !at) return;
    char part[PATH_MAX];
    snprintf(disk, sizeof disk, "%s", at);
    snprintf(part, sizeof part, "%s/files", disk);
    mkdir(disk, 0700);
    mkdir(part, 0700);
    mkdir(of, 0700);
    if (!realpath(of, state)) fail("can't find", of);
    /* What is there when it begins was there for long, but for what a process left with the power on. */
    snprintf(part, sizeof part, "%s/whole", disk);
    int goes_on = access(part, F_OK) == 0;
    if (!goes_on) {
        keep_names(state, 1);
        mkdir(part, 0700);
    }
    is_lost = goes_on;
    const char *how = getenv("SYNCLINE_POWER_FAULTS");
    int file = how ? open(how, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *shared = mmap(NULL, sizeof *faults, PROT_READ, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) fail("can't map", how);
    faults = shared;
    close(file);
}

/* The path of an open file or directory below the state; 0 where it is none. */
static int is_ours(int file, char *path) {
    char link_of[64];
    if (!state[0] || is_inside) return 0;
    snprintf(link_of, sizeof link_of, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link_of, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    size_t below = strlen(state);
    return strncmp(path, state, below) == 0 && (path[below] == '/' || path[below] == 0);
}

static int one_in(uint32_t of) {
    static _Atomic uint32_t last = 1;
    if (of == 0) return 0;
    uint32_t next = last * 1664525u + 1013904223u;
    last = next;
    return (next >> 8) % of == 0;
}

static int synced(int file, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat it;
    int of_state = is_ours(file, path) && fstat(file, &it) == 0;
    int fails = of_state && faults && one_in(faults->syncs);
    int outcome = fails ? -1 : real(file);
    if (!of_state || (outcome != 0 && !fails)) return outcome;
    enter();
    if (fails) is_lost = 1;
    if (!S_ISDIR(it.st_mode)) keep(path, fails);
    else if (!fails) keep_names(path, 0);
    leave();
    errno = fails ? EIO : 0;
    return outcome;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int fsync(int file) {
    REAL(fsync);
    return synced(file, real);
}

int fdatasync(int file) {
    REAL(fdatasync);
    return synced(file, real);
}

/* How many of so many bytes a write may take; -1 where it fails. */
static ssize_t taken(int file, size_t bytes) {
    char path[PATH_MAX];
    if (!faults || !(faults->is_full || faults->is_short) || !is_ours(file, path)) return (ssize_t)bytes;
    if (faults->is_full) {
        errno = ENOSPC;
        return -1;
    }
    return (ssize_t)(bytes > 1 ? bytes / 2 : bytes);
}

/* What was written is no longer lost. */
static void written(int file, off_t at, ssize_t bytes) {
    char path[PATH_MAX], kept[PATH_MAX];
    if (!is_lost || bytes <= 0 || !is_ours(file, path) || !kept_at(path, kept)) return;
    int error = errno;
    enter();
    int lost = lost_of(kept, O_RDWR);
    struct stat it;
    if (lost >= 0 && fstat(lost, &it) == 0) {
        for (off_t page = at / PAGE; page <= (at + bytes - 1) / PAGE && page < it.st_size; page++) {
            if (pwrite(lost, "", 1, page) != 1) fail("can't write", kept);
        }
    }
    if (lost >= 0) close(lost);
    leave();
    errno = error;
}

ssize_t write(int file, const void *from, size_t bytes) {
    REAL(write);
    ssize_t takes = taken(file, bytes);
    if (takes < 0) return takes;
    ssize_t took = real(file, from, (size_t)takes);
    if (is_lost && took > 0) written(file, lseek(file, 0, SEEK_CUR) - took, took);
    return took;
}

ssize_t writev(int file, const struct iovec *from, int pieces) {
    REAL(writev);
    size_t first = pieces > 0 ? from[0].iov_len : 0;
    ssize_t takes = taken(file, first);
    if (takes < 0) return takes;
    if ((size_t)takes < first) return write(file, from[0].iov_base, first);
    ssize_t took = real(file, from, pieces);
    if (is_lost && took > 0) written(file, lseek(file, 0, SEEK_CUR) - took, took);
    return took;
}

static ssize_t write_at(int file, const void *from, size_t bytes, off_t at,
                        ssize_t (*real)(int, const void *, size_t, off_t)) {
    ssize_t takes = taken(file, bytes);
    if (takes < 0) return takes;
    ssize_t took = real(file, from, (size_t)takes, at);
    if (is_lost) written(file, at, took);
    return took;
}

ssize_t pwrite(int file, const void *from, size_t bytes, off_t at) {
    REAL(pwrite);
    return write_at(file, from, bytes, at, real);
}

ssize_t pwrite64(int file, const void *from, size_t bytes, off64_t at) {
    REAL(pwrite64);
    return write_at(file, from, bytes, at, real);
}

static int read_fails(int file) {
    char path[PATH_MAX];
    if (!faults || !faults->reads || !is_ours(file, path) || !one_in(faults->reads)) return 0;
    errno = EIO;
    return 1;
}

ssize_t read(int file, void *to, size_t bytes) {
    REAL(read);
    return read_fails(file) ? -1 : real(file, to, bytes);
}

ssize_t pread(int file, void *to, size_t bytes, off_t at) {
    REAL(pread);
    return read_fails(file) ? -1 : real(file, to, bytes, at);
}

ssize_t pread64(int file, void *to, size_t bytes, off64_t at) {
    REAL(pread64);
    return read_fails(file) ? -1 : real(file, to, bytes, at);
}
