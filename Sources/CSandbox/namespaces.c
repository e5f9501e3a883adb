// Namespaces: who makes them, and whose users are mapped into them.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ALL = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS };

static bool write_text(int at, const char *name, const char *text) {
    int file = openat(at, name, O_WRONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t length = (ssize_t)strlen(text);
    bool done = write(file, text, (size_t)length) == length;
    int error = errno;
    close(file);
    errno = error;
    return done;
}

void sandbox_map_own_user(int proc, uint32_t user, uint32_t group) {
    char text[64];
    // A process whose memory is nobody's has files in /proc that are root's.
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (!write_text(proc, "self/setgroups", "deny")) sandbox_fail("can not give up groups", NULL);
    snprintf(text, sizeof text, "0 %u 1", user);
    if (!write_text(proc, "self/uid_map", text)) sandbox_fail("can not map its user", NULL);
    snprintf(text, sizeof text, "0 %u 1", group);
    if (!write_text(proc, "self/gid_map", text)) sandbox_fail("can not map its group", NULL);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/// Maps the whole range of users, which only root may do.
static bool map_users(pid_t child, uint32_t user) {
    char name[32], text[64];
    snprintf(text, sizeof text, "0 %u %d", user, SANDBOX_USERS);
    snprintf(name, sizeof name, "/proc/%d/uid_map", child);
    if (!write_text(AT_FDCWD, name, text)) return false;
    snprintf(name, sizeof name, "/proc/%d/gid_map", child);
    return write_text(AT_FDCWD, name, text);
}

static pid_t fork_with_users(uint32_t user) {
    int word[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, word) != 0) return -1;
    pid_t child = (pid_t)syscall(SYS_clone, ALL | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        char go;
        close(word[1]);
        if (read(word[0], &go, 1) != 1) sandbox_fail("has no users mapped", NULL);
        close(word[0]);
        return 0;
    }
    int error = errno;
    close(word[0]);
    if (child > 0 && map_users(child, user) && write(word[1], "g", 1) < 0) { /* It has died, which is seen elsewhere. */ }
    close(word[1]);
    errno = error;
    return child;
}

pid_t sandbox_fork(enum sandbox_tier tier, uint32_t user) {
    if (tier < SANDBOX_B) return fork();
    if (tier == SANDBOX_A) return fork_with_users(user);
    bool changes = user != SAME_USER;
    // As they are called outside: the new namespace has no names for them yet.
    uint32_t own = changes ? user : geteuid(), group = changes ? user : getegid();
    // The namespace belongs to the user who makes it.
    if (changes && (setegid(user) != 0 || seteuid(user) != 0)) return -1;
    pid_t child = (pid_t)syscall(SYS_clone, ALL | SIGCHLD, NULL, NULL, NULL, NULL);
    int error = errno;
    if (child == 0) {
        int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        sandbox_map_own_user(proc, own, group);
        close(proc);
        return 0;
    }
    if (changes && (seteuid(0) != 0 || setegid(0) != 0)) _exit(127);
    errno = error;
    return child;
}

/// Lets the calling process's children be in its own process namespace again.
static void return_home(void) {
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0 || setns(self, CLONE_NEWPID) != 0) sandbox_fail("can not return to its own namespace", NULL);
    close(self);
}

pid_t sandbox_fork_script(enum sandbox_tier tier, int control) {
    if (tier >= SANDBOX_B && unshare(CLONE_NEWPID) != 0) return -errno;
    pid_t init = fork();
    int error = errno;
    if (init == 0) {
        sandbox_enter(tier, control, true);
        pid_t script = fork();
        if (script < 0) sandbox_fail("can not fork the script's process", NULL);
        if (script == 0) return 0;
        sandbox_watch(script);
    }
    if (tier >= SANDBOX_B) return_home();
    return init < 0 ? -error : init;
}
