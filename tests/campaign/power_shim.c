/* Preloaded into every process of a recorded project: writes down what is asked of the disk, in order, with the data.
 *
 * A record goes to the trace after the call has succeeded and before it returns, so what a process does because of it
 * comes later in the trace. A sync is two records: what was written before its first is on the disk with its second.
 * The trace is opened for every record: a process may close all that it has, or fork. One that kills itself does so when
 * no thread of it is between the two: the disk would have what the trace has not.
 *
 * POWER_TRACE: the trace. POWER_ROOT: only what lies below it is recorded. POWER_BOOT: stands for the boot id.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct head {
    uint32_t magic;
    char kind;
    char flag;
    uint16_t first; /* bytes of the first path */
    uint32_t pid, thread;
    uint64_t inode;
    int64_t offset;
    uint32_t second; /* bytes of the second path */
    uint32_t data;
};

static const char *trace, *root, *boot;
static size_t root_length;

__attribute__((constructor)) static void begin(void) {
    trace = getenv("POWER_TRACE");
    root = getenv("POWER_ROOT");
    boot = getenv("POWER_BOOT");
    root_length = root ? strlen(root) : 0;
}


static int below(const char *path) {
    return trace && root && !strncmp(path, root, root_length) && path[root_length] == '/' && strcmp(path, trace);
}

/* The absolute path of a name, "" if it cannot be told or is not recorded. */
static const char *absolute(int directory, const char *name, char *into) {
    into[0] = 0;
    if (!trace || !name)
        return into;
    if (name[0] == '/')
        snprintf(into, PATH_MAX, "%s", name);
    else {
        char link[64];
        ssize_t length;
        if (directory == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        length = readlink(link, into, PATH_MAX - 1);
        if (length < 0)
            return into[0] = 0, into;
        into[length] = 0;
        size_t room = PATH_MAX - length;
        snprintf(into + length, room, "/%s", name);
    }
    if (!below(into))
        into[0] = 0;
    return into;
}

static const char *path_of(int fd, char *into) {
    char link[64];
    ssize_t length;
    into[0] = 0;
    if (!trace)
        return into;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, into, PATH_MAX - 1);
    into[length < 0 ? 0 : length] = 0;
    if (!below(into))
        into[0] = 0;
    return into;
}

static uint64_t inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

static void put(char kind, char flag, uint64_t inode, int64_t offset, const char *first, const char *second,
                const void *data, size_t size) {
    int kept = errno;
    struct head head = {0x504f5752, kind, flag, strlen(first), getpid(), syscall(SYS_gettid), inode, offset,
                        strlen(second), size};
    struct iovec parts[4] = {
        {&head, sizeof head}, {(void *)first, head.first}, {(void *)second, head.second}, {(void *)data, size}};
    int fd = syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    size_t whole = sizeof head + head.first + head.second + size;
    if (fd < 0 || syscall(SYS_writev, fd, parts, 4) != (ssize_t)whole) {
        static const char words[] = "the power trace cannot be written\n";
        syscall(SYS_write, 2, words, sizeof words - 1);
        syscall(SYS_exit_group, 97);
    }
    syscall(SYS_close, fd);
    errno = kept;
}

/* -- files that are opened ----------------------------------------------------------------------------------- */

static int opened(int directory, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (boot && name && !strcmp(name, "/proc/sys/kernel/random/boot_id"))
        name = boot;
    absolute(directory, name, path);
    int was_there = !path[0] || !faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW);
    int fd = syscall(SYS_openat, directory, name, flags, mode);
    if (fd >= 0 && path[0]) {
        if ((flags & O_CREAT) && !was_there)
            put('c', 0, inode_of(fd), 0, path, "", "", 0);
        else if (flags & O_TRUNC)
            put('t', 0, inode_of(fd), 0, path, "", "", 0);
    }
    return fd;
}

#define MODE                                                                    \
    mode_t mode = 0;                                                            \
    if (flags & (O_CREAT | O_TMPFILE)) {                                        \
        va_list rest;                                                           \
        va_start(rest, flags);                                                  \
        mode = va_arg(rest, mode_t);                                            \
        va_end(rest);                                                           \
    }

int open(const char *name, int flags, ...) { MODE return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE return opened(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE return opened(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE return opened(at, name, flags, mode); }
int creat(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* -- what is written ------------------------------------------------------------------------------------------ */

static void wrote(int fd, const void *data, ssize_t done, off_t at) {
    char path[PATH_MAX];
    if (done > 0 && path_of(fd, path)[0])
        put('w', 0, inode_of(fd), at < 0 ? lseek(fd, 0, SEEK_CUR) - done : at, path, "", data, done);
}

static int writing; /* threads that are between a write and its record */

ssize_t write(int fd, const void *data, size_t size) {
    __atomic_add_fetch(&writing, 1, __ATOMIC_SEQ_CST);
    ssize_t done = syscall(SYS_write, fd, data, size);
    wrote(fd, data, done, -1);
    __atomic_sub_fetch(&writing, 1, __ATOMIC_SEQ_CST);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    __atomic_add_fetch(&writing, 1, __ATOMIC_SEQ_CST);
    ssize_t done = syscall(SYS_pwrite64, fd, data, size, at);
    wrote(fd, data, done, at);
    __atomic_sub_fetch(&writing, 1, __ATOMIC_SEQ_CST);
    return done;
}

int kill(pid_t pid, int number) {
    /* Not for ever: a write into a full pipe may have no end, and a child has the count of its parent. */
    for (int turn = 0; pid == getpid() && number == SIGKILL && turn < 200; turn++) {
        if (!__atomic_load_n(&writing, __ATOMIC_SEQ_CST))
            break;
        usleep(1000);
    }
    return syscall(SYS_kill, pid, number);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return pwrite(fd, data, size, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (count > 0 && path_of(fd, path)[0])
        return write(fd, parts[0].iov_base, parts[0].iov_len); /* a short write, which every caller must bear */
    return syscall(SYS_writev, fd, parts, count);
}

static int resized(int fd, off_t size, int result) {
    char path[PATH_MAX];
    if (!result && path_of(fd, path)[0])
        put('t', 0, inode_of(fd), size, path, "", "", 0);
    return result;
}

int ftruncate(int fd, off_t size) { return resized(fd, size, syscall(SYS_ftruncate, fd, size)); }
int ftruncate64(int fd, off_t size) { return resized(fd, size, syscall(SYS_ftruncate, fd, size)); }

static int allocated(int fd, off_t at, off_t size, int result) {
    struct stat found;
    if (!result && !fstat(fd, &found) && at + size == found.st_size)
        resized(fd, found.st_size, 0);
    return result;
}

int posix_fallocate(int fd, off_t at, off_t size) {
    return syscall(SYS_fallocate, fd, 0, at, size) ? errno : allocated(fd, at, size, 0);
}

int posix_fallocate64(int fd, off_t at, off_t size) { return posix_fallocate(fd, at, size); }

/* What copies within the kernel is refused: everybody falls back on read and write. */
ssize_t copy_file_range(int in, off_t *at, int out, off_t *to, size_t size, unsigned flags) {
    (void)in, (void)at, (void)out, (void)to, (void)size, (void)flags;
    return errno = EXDEV, -1;
}

ssize_t sendfile(int out, int in, off_t *at, size_t size) {
    (void)out, (void)in, (void)at, (void)size;
    return errno = EINVAL, -1;
}

ssize_t sendfile64(int out, int in, off_t *at, size_t size) { return sendfile(out, in, at, size); }

/* -- what is synced ------------------------------------------------------------------------------------------- */

static int synced(int fd, long number) {
    char path[PATH_MAX];
    struct stat found;
    int recorded = path_of(fd, path)[0] && !fstat(fd, &found);
    char directory = recorded && S_ISDIR(found.st_mode);
    if (recorded)
        put('s', directory, found.st_ino, 0, path, "", "", 0);
    int result = syscall(number, fd);
    if (recorded && !result)
        put('S', directory, found.st_ino, 0, path, "", "", 0);
    return result;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* -- names ---------------------------------------------------------------------------------------------------- */

static int moved(char kind, int from_at, const char *from, int to_at, const char *to, int result) {
    char first[PATH_MAX], second[PATH_MAX];
    if (!result && absolute(from_at, from, first)[0] && absolute(to_at, to, second)[0])
        put(kind, 0, 0, 0, first, second, "", 0);
    return result;
}

int rename(const char *from, const char *to) {
    return moved('r', AT_FDCWD, from, AT_FDCWD, to, syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}

int renameat(int from_at, const char *from, int to_at, const char *to) {
    return moved('r', from_at, from, to_at, to, syscall(SYS_renameat, from_at, from, to_at, to));
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return moved('r', from_at, from, to_at, to, syscall(SYS_renameat2, from_at, from, to_at, to, flags));
}

int link(const char *from, const char *to) {
    return moved('l', AT_FDCWD, from, AT_FDCWD, to, syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    return moved('l', from_at, from, to_at, to, syscall(SYS_linkat, from_at, from, to_at, to, flags));
}

static int named(char kind, int at, const char *name, int result) {
    char path[PATH_MAX];
    if (!result && absolute(at, name, path)[0])
        put(kind, 0, 0, 0, path, "", "", 0);
    return result;
}

int unlink(const char *name) { return named('u', AT_FDCWD, name, syscall(SYS_unlinkat, AT_FDCWD, name, 0)); }

int unlinkat(int at, const char *name, int flags) {
    return named(flags & AT_REMOVEDIR ? 'x' : 'u', at, name, syscall(SYS_unlinkat, at, name, flags));
}

int rmdir(const char *name) {
    return named('x', AT_FDCWD, name, syscall(SYS_unlinkat, AT_FDCWD, name, AT_REMOVEDIR));
}

int mkdir(const char *name, mode_t mode) {
    return named('m', AT_FDCWD, name, syscall(SYS_mkdirat, AT_FDCWD, name, mode));
}

int mkdirat(int at, const char *name, mode_t mode) { return named('m', at, name, syscall(SYS_mkdirat, at, name, mode)); }
