// The files that a cell sees: what the interpreter needs, read-only, and a directory in memory.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Not from <sys/mount.h>, whose names clash with those of <linux/mount.h> in Debian 12.
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);
enum { DETACH = 2 };

/// Devices that are of no harm.
static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};

/// Makes the directories above `path` in the current one, which stands for the new root.
static void make_parents(const char *path) {
    char name[PATH_MAX];
    if (snprintf(name, sizeof name, ".%s", path) >= (int)sizeof name) sandbox_fail("has too long a path:", path);
    for (char *slash = strchr(name + 2, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(name, 0755) != 0 && errno != EEXIST) sandbox_fail("can not make", path);
        *slash = '/';
    }
}

/// Shows `bind` in the new root. What does not exist on this machine is not shown.
static void show(struct sandbox_bind bind, uint64_t attributes) {
    char target[PATH_MAX], link[PATH_MAX];
    struct stat about;
    if (lstat(bind.source, &about) != 0) return;
    make_parents(bind.target);
    snprintf(target, sizeof target, ".%s", bind.target);
    if (S_ISLNK(about.st_mode)) {
        ssize_t length = readlink(bind.source, link, sizeof link - 1);
        if (length < 0) sandbox_fail("can not read", bind.source);
        link[length] = 0;
        if (symlink(link, target) != 0 && errno != EEXIST) sandbox_fail("can not link", bind.target);
        return;
    }
    if (S_ISDIR(about.st_mode)) {
        if (mkdir(target, 0755) != 0 && errno != EEXIST) sandbox_fail("can not make", bind.target);
        // Where one tenant's are shown.
        if (strcmp(bind.target, "/packages/tenants") == 0 && mkdir("./packages/own", 0755) != 0)
            sandbox_fail("can not make", "/packages/own");
    } else {
        int file = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
        if (file < 0) sandbox_fail("can not make", bind.target);
        close(file);
    }
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, bind.source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) {
        if (errno == EACCES) return; // what this user may not reach, a script has no use for
        sandbox_fail("can not take", bind.source);
    }
    struct mount_attr wanted = {.attr_set = attributes};
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &wanted, sizeof wanted) != 0)
        sandbox_fail("can not protect", bind.source);
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0)
        sandbox_fail("can not show", bind.target);
    close(tree);
}

static void build_root(const char *workshop, const struct sandbox_bind *binds, size_t count) {
    enum { REC = 0x4000, PRIVATE = 1 << 18, NOSUID = 2, NODEV = 4 };
    if (mount("none", "/", NULL, REC | PRIVATE, NULL) != 0) sandbox_fail("can not part its mounts", NULL);
    if (mount("tmpfs", workshop, "tmpfs", NOSUID | NODEV, "size=1m,nr_inodes=1k,mode=755") != 0)
        sandbox_fail("can not mount", workshop);
    if (chdir(workshop) != 0) sandbox_fail("can not enter", workshop);
    for (size_t index = 0; index < count; index++)
        show(binds[index], MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    for (size_t index = 0; index < sizeof devices / sizeof *devices; index++)
        show((struct sandbox_bind){devices[index], devices[index]}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    make_parents("/var/");
    if (mkdir("./tmp", 0755) != 0 || symlink("/tmp", "./var/tmp") != 0 || symlink("/tmp", "./dev/shm") != 0
        || mkdir("./proc", 0555) != 0)
        sandbox_fail("can not furnish", workshop);
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", DETACH) != 0 || chdir("/") != 0)
        sandbox_fail("can not change its root", NULL);
    struct mount_attr wanted = {.attr_set = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &wanted, sizeof wanted) != 0)
        sandbox_fail("can not protect its root", NULL);
}

/// Changes to the user of `user`'s number in this namespace.
static void change_user(uint32_t user) {
    // A single mapped user has no groups to leave.
    if (setgroups(0, NULL) != 0 && errno != EPERM) sandbox_fail("can not leave the groups", NULL);
    if (setresgid(user, user, user) != 0) sandbox_fail("can not change the group", NULL);
    if (setresuid(user, user, user) != 0) sandbox_fail("can not change the user", NULL);
}

void sandbox_settle(
    enum sandbox_tier tier, uint32_t user, const char *workshop, const struct sandbox_bind *binds, size_t count) {
    int kept = -1;
    umask(022);
    if (tier >= SANDBOX_B) {
        change_user(0);
        // A child of a zygote is to have users of its own, which are made known there.
        if (tier == SANDBOX_B) kept = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        build_root(workshop, binds, count);
        if (sethostname("script", 6) != 0) sandbox_fail("can not have a name", NULL);
    } else {
        if (user != SAME_USER) change_user(user);
        if (tier == SANDBOX_C && (kept = sandbox_make_rules(binds, count, NULL)) < 0)
            sandbox_fail("has no Landlock", NULL);
        if (chdir("/") != 0) sandbox_fail("can not enter", "/");
    }
    umask(077);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (kept >= 0 && kept != SANDBOX_KEPT) {
        if (dup2(kept, SANDBOX_KEPT) < 0) sandbox_fail("can not keep a descriptor", NULL);
        close(kept);
    }
}

void sandbox_mount_temporary(uint32_t user, uint64_t bytes) {
    enum { NOSUID = 2, NODEV = 4 };
    char options[128];
    snprintf(
        options, sizeof options, "size=%llu,nr_inodes=%llu,mode=700,uid=%u,gid=%u", (unsigned long long)bytes,
        (unsigned long long)(bytes / 4096 + 1024), user, user);
    if (mount("tmpfs", "/tmp", "tmpfs", NOSUID | NODEV, options) != 0) sandbox_fail("can not mount", "/tmp");
}

bool sandbox_resize_temporary(uint64_t bytes) {
    enum { REMOUNT = 32, NOSUID = 2, NODEV = 4 };
    char options[96];
    // Nought would mean no limit.
    if (bytes < 4096) bytes = 4096;
    snprintf(
        options, sizeof options, "size=%llu,nr_inodes=%llu", (unsigned long long)bytes,
        (unsigned long long)(bytes / 4096 + 1024));
    return mount("tmpfs", "/tmp", "tmpfs", REMOUNT | NOSUID | NODEV, options) == 0;
}
