/* What a disk holds at the worst: loaded into a process ahead of the C library.
 *
 * Of each file below SYNCLINE_POWER_STATE the last content that was synced, and of each directory the names that it
 * had when it was synced, are kept in SYNCLINE_POWER_DISK. Cut the power (kill the process), and that is what is
 * there: whatever was written, created, renamed or removed and not synced since never happened.
 *
 *   DISK/files/INODE-BIRTH   what was synced of a file, by what the file is and not by its name
 *   DISK/tree/…              the names, as links to these
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char state[PATH_MAX], disk[PATH_MAX];
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

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

/* Copies a file over what is kept of it, in place: cut off in the middle, what was kept before is whole. */
static void keep(const char *path) {
    char kept[PATH_MAX], now[1 << 16], before[1 << 16];
    if (!kept_at(path, kept)) return;
    int from = open(path, O_RDONLY | O_CLOEXEC), to = open(kept, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (to < 0) fail("can't write", kept);
    if (from >= 0) {
        off_t at = 0;
        ssize_t bytes;
        while ((bytes = pread(from, now, sizeof now, at)) > 0) {
            ssize_t had = pread(to, before, (size_t)bytes, at);
            if (had != bytes || memcmp(now, before, (size_t)bytes) != 0) {
                if (pwrite(to, now, (size_t)bytes, at) != bytes) fail("can't write", kept);
            }
            at += bytes;
        }
        if (ftruncate(to, at) != 0) fail("can't cut", kept);
        close(from);
    }
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
            if (seeding) keep(ours);
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
    /* What is there when it begins was there for long. */
    mkdir(of, 0700);
    if (!realpath(of, state)) fail("can't find", of);
    keep_names(state, 1);
}

static void synced(int file) {
    char link_of[64], path[PATH_MAX];
    struct stat it;
    if (!state[0]) return;
    int error = errno;
    snprintf(link_of, sizeof link_of, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link_of, path, sizeof path - 1);
    if (length > 0) {
        path[length] = 0;
        size_t below = strlen(state);
        if (strncmp(path, state, below) == 0 && (path[below] == '/' || path[below] == 0) && fstat(file, &it) == 0) {
            pthread_mutex_lock(&one_at_a_time);
            if (S_ISDIR(it.st_mode)) keep_names(path, 0);
            else keep(path);
            pthread_mutex_unlock(&one_at_a_time);
        }
    }
    errno = error;
}

int fsync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int outcome = real(file);
    if (outcome == 0) synced(file);
    return outcome;
}

int fdatasync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int outcome = real(file);
    if (outcome == 0) synced(file);
    return outcome;
}
