// The life of an init, and the way of a script's process from its fork to the tenant's first byte.
//
// Packets on the control socket, in the machine's byte order:
//     init to worker   'H', with a descriptor of the init as a process             it is there
//     worker to init   'G' u32 user, u64 bytes of temporary files                  the place is to be made
//                      'L' struct limits                                           what this script may use
//                      'K'                                                         end all processes but the init
//     init to worker   'L' u32 error number                                        done, or why not
//                      'X' struct ending                                           the script's process has ended
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/// What one script may use. A zero leaves it as it is.
struct limits {
    uint64_t processes;
    uint64_t cpu_seconds;
    uint64_t data_bytes;
    uint64_t temporary_bytes;
    /// A directory beneath the shared packages that only this script sees; empty where there is none.
    char packages[64];
};

struct ending {
    uint32_t status;
    /// Whether there was no room left for temporary files.
    uint32_t is_full;
    uint64_t user_us, system_us, peak_bytes;
};

/// What is known of the place from its making on.
static struct {
    enum sandbox_tier tier;
    int control;
    uint32_t user;
} place;

static bool greet(void) {
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } rights = {};
    char kind = 'H';
    struct iovec data = {.iov_base = &kind, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = rights.room, .msg_controllen = sizeof rights.room};
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0) return false;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &self, sizeof self);
    bool sent = sendmsg(place.control, &message, MSG_NOSIGNAL) == 1;
    close(self);
    return sent;
}

void sandbox_enter(enum sandbox_tier tier, int control, bool is_fork) {
    char packet[16];
    uint64_t bytes;
    sigset_t all;
    place.tier = tier;
    place.control = control;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) sandbox_fail("can not bind to its parent", NULL);
    if (!greet()) sandbox_fail("can not greet the worker", NULL);
    ssize_t length = recv(control, packet, sizeof packet, 0);
    if (length != 13 || packet[0] != 'G') _exit(0); // the worker has gone, or wants it no more
    memcpy(&place.user, packet + 1, 4);
    memcpy(&bytes, packet + 5, 8);
    if (tier < SANDBOX_B) return;
    if (is_fork) {
        // Processes are counted for each user of a namespace: where there is one user only, each script has a namespace.
        if (unshare(tier == SANDBOX_A ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0)
            sandbox_fail("can not have namespaces of its own", NULL);
        if (tier == SANDBOX_B) sandbox_map_own_user(SANDBOX_KEPT, 0, 0);
    }
    if (tier == SANDBOX_B) place.user = 0;
    sandbox_mount_temporary(place.user, bytes);
}

static int limit(pid_t child, int resource, uint64_t most) {
    struct rlimit wanted = {.rlim_cur = most, .rlim_max = most};
    if (most == 0 || prlimit(child, resource, &wanted, NULL) == 0) return 0;
    return errno;
}

/// Shows the script the packages of its tenant and of nobody else.
static int show_packages(const char *name) {
    char path[128] = "/packages/tenants/";
    if (access(path, F_OK) != 0) return 0; // nobody has any
    strncat(path, name, sizeof path - strlen(path) - 1);
    if (strchr(name, '/')) return EINVAL;
    if (*name && mount(path, "/packages/own", NULL, MS_BIND | MS_REC, NULL) != 0 && errno != ENOENT) return errno;
    int flags = MS_RDONLY | MS_NOSUID | MS_NODEV;
    return mount("tmpfs", "/packages/tenants", "tmpfs", flags, "size=4k,nr_inodes=1") == 0 ? 0 : errno;
}

static int apply(pid_t child, const struct limits *limits) {
    // Somebody waits for it from now on. What is not allowed is not needed either.
    setpriority(PRIO_PGRP, (id_t)child, 0);
    int error = limit(child, RLIMIT_NPROC, limits->processes);
    if (!error && limits->cpu_seconds) {
        // The soft limit ends it by a signal that says why; what survives that is killed a second later.
        struct rlimit wanted = {.rlim_cur = limits->cpu_seconds, .rlim_max = limits->cpu_seconds + 1};
        error = prlimit(child, RLIMIT_CPU, &wanted, NULL) == 0 ? 0 : errno;
    }
    if (!error) error = limit(child, RLIMIT_DATA, limits->data_bytes);
    if (place.tier < SANDBOX_B) return error;
    if (!error) error = limit(child, RLIMIT_FSIZE, limits->temporary_bytes < 4096 ? 4096 : limits->temporary_bytes);
    if (!error && !sandbox_resize_temporary(limits->temporary_bytes)) error = errno;
    if (!error) error = show_packages(limits->packages);
    return error;
}

static uint64_t microseconds(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void count(struct ending *ending, const struct rusage *usage) {
    ending->user_us += microseconds(usage->ru_utime);
    ending->system_us += microseconds(usage->ru_stime);
    uint64_t peak = (uint64_t)usage->ru_maxrss << 10;
    if (peak > ending->peak_bytes) ending->peak_bytes = peak;
}

_Noreturn static void end(struct ending *ending) {
    struct rusage usage;
    struct statvfs room;
    int status;
    // What it has left behind counts as well.
    if (place.tier >= SANDBOX_B) kill(-1, SIGKILL);
    for (pid_t pid; (pid = wait4(-1, &status, 0, &usage)) > 0 || errno == EINTR;)
        if (pid > 0) count(ending, &usage);
    if (place.tier >= SANDBOX_B && statvfs("/tmp", &room) == 0) ending->is_full = room.f_bavail == 0 || room.f_ffree == 0;
    char packet[1 + sizeof *ending] = {'X'};
    memcpy(packet + 1, ending, sizeof *ending);
    send(place.control, packet, sizeof packet, MSG_NOSIGNAL);
    _exit(0);
}

static void reap(pid_t child, struct ending *ending) {
    struct rusage usage;
    int status;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
        count(ending, &usage);
        if (pid != child) continue;
        ending->status = (uint32_t)status;
        end(ending);
    }
}

_Noreturn void sandbox_watch(pid_t child) {
    struct ending ending = {};
    struct signalfd_siginfo drained[16];
    char packet[1 + sizeof(struct limits)];
    sigset_t ended;
    if (place.control > 0) close_range(0, (unsigned)place.control - 1, 0);
    close_range((unsigned)place.control + 1, ~0U, 0);
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    int signals = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) _exit(127);
    // What ended before there was a descriptor for it.
    reap(child, &ending);
    struct pollfd watched[] = {{.fd = place.control, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    while (true) {
        if (poll(watched, 2, -1) < 0) continue;
        if (watched[1].revents) {
            while (read(signals, drained, sizeof drained) > 0) {}
            reap(child, &ending);
        }
        if (!watched[0].revents) continue;
        ssize_t length = recv(place.control, packet, sizeof packet, MSG_DONTWAIT);
        if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) _exit(1); // nobody wants it any more
        // Not the init itself, which still has to say what they have used.
        if (length == 1 && packet[0] == 'K') kill(place.tier >= SANDBOX_B ? -1 : child, SIGKILL);
        if (length != sizeof packet || packet[0] != 'L') continue;
        struct limits limits;
        memcpy(&limits, packet + 1, sizeof limits);
        limits.packages[sizeof limits.packages - 1] = 0;
        uint32_t error = (uint32_t)apply(child, &limits);
        char answer[5] = {'L'};
        memcpy(answer + 1, &error, 4);
        send(place.control, answer, sizeof answer, MSG_NOSIGNAL);
    }
}

static void set_limit(int resource, rlim_t most) {
    struct rlimit now, wanted = {.rlim_cur = most, .rlim_max = most};
    if (getrlimit(resource, &now) == 0 && now.rlim_max < most) wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
    if (setrlimit(resource, &wanted) != 0) sandbox_fail("can not set a limit", NULL);
}

void sandbox_confine(int frames, int output, int error) {
    // 1. Its descriptors.
    if (dup2(frames, SANDBOX_FRAMES) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0) _exit(127);
    close_range(SANDBOX_KEPT + 1, ~0U, 0);
    int kept = place.tier == SANDBOX_C ? SANDBOX_KEPT : -1;
    if (kept < 0) close(SANDBOX_KEPT);

    // 2. Limits that are everybody's. What the script's own are is said later, and never more.
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_NOFILE, 256);
    setsid();

    // 3. Its user, who has no rights.
    sandbox_bound_capabilities(0);
    if (place.tier == SANDBOX_A) {
        if (setgroups(0, NULL) != 0) sandbox_fail("can not leave the groups", NULL);
        if (setresgid(place.user, place.user, place.user) != 0) sandbox_fail("can not change the group", NULL);
        if (setresuid(place.user, place.user, place.user) != 0) sandbox_fail("can not change the user", NULL);
    }
    sandbox_keep_capabilities(0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) sandbox_fail("can not give up privileges", NULL);
    // A change of user forgets it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) sandbox_fail("can not bind to its init", NULL);

    // 4. Its files and its calls.
    if (chdir(place.tier >= SANDBOX_B ? "/tmp" : "/") != 0) sandbox_fail("can not enter its directory", NULL);
    if (place.tier >= SANDBOX_B) kept = sandbox_make_rules(NULL, 0, "/tmp");
    if (kept >= 0) sandbox_enter_domain(kept);
    sandbox_filter_calls(place.tier);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
