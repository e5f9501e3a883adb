// cell: starts the interpreters in their sandboxes, reaps them, and leaves nothing behind.
//
// The worker has many threads and must not fork; it starts this small single-threaded program once, and orders
// processes from it. One launcher for all, and not one for each process as first designed, because then somebody
// reaps and accounts, and outlives the worker long enough to end everything.
//
//     cell RUN-DIRECTORY TIER USER GROUPS     with a SOCK_SEQPACKET socket to the worker as descriptor 3; TIER is the number
//                                             of an enum sandbox_tier, USER the first of the scripts' user ids or -, GROUPS
//                                             are the directories of control groups that end with it, with a colon between
//
// Packets, in the machine's byte order; a text ends with NUL:
//     worker to cell   'S' u32 id, u32 kind, u32 argc, u32 envc, u32 bindc, arguments, environment, a source and a target
//                          for each bind; 4 descriptors that become 3, 1 and 2 of the process, and its init's control
//                                                                                            start
//                      'K' u32 id                                                            kill it
//                      'B' u32 id                                                            fork once, for a benchmark
//                      'L' u32 id (0), u32 milliseconds      end all scripts unless this comes again within that time
//     cell to worker   'P' u32 id, u32 pid                                                   started
//                      'F' u32 id, u32 errno                                                 could not be started
//                      'X' u32 id, u32 wait status, u64 user µs, u64 system µs, u64 peak KiB  ended and reaped
//                      'B' u32 id, u32 microseconds (0: it failed)                           forked once
//                      'L' u32 0, u32 0                      the time was over: what had been started is being ended
// When the socket ends, cell kills all that it started, removes the run directory and the control groups, and exits. A process's own namespace
// dies with it; without namespaces a script can start no others.
#define _GNU_SOURCE
#include "cell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKER = 3, SIGNALS = 4, RUN_DIRECTORY = 5, LEASE = 6, MAX_PACKET = 65536, MOST_FDS = 4 };

static struct tier tier;

/// A process of ours.
struct child {
    pid_t pid;
    uint32_t id;
};

static struct child *children;
static size_t count, capacity;

_Noreturn static void die(const char *what) {
    dprintf(2, "cell: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void remember(struct child child) {
    if (count == capacity) {
        capacity = capacity ? 2 * capacity : 64;
        children = realloc(children, capacity * sizeof *children);
        if (!children) die("no memory");
    }
    children[count++] = child;
}

/// A process that is not reaped yet keeps its number, so neither kill can hit a stranger.
static void kill_with_group(pid_t pid) {
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
}

/// Whether the worker must still be told that its time was over.
static bool has_lapsed;

/// The worker has said nothing for too long: it stands still, or can not speak for its jobs, which another may take over
/// soon.
static void lapse(void) {
    uint64_t times;
    if (read(LEASE, &times, sizeof times) < 0) return; // renewed at the last moment
    // Told first where that is possible at once: a script's end shows at the worker by itself, and is explained by this.
    has_lapsed = send(WORKER, (char[9]){'L'}, 9, MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
    for (size_t index = 0; index < count; index++) kill_with_group(children[index].pid);
}

/// Sends a packet. A worker that stands still does not keep us from ending its scripts.
static void deliver(const void *bytes, size_t length) {
    while (send(WORKER, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != ENOBUFS) return;
        struct pollfd watched[] = {{.fd = WORKER, .events = POLLOUT}, {.fd = LEASE, .events = POLLIN}};
        poll(watched, 2, 50);
        if (watched[1].revents) lapse();
    }
}

static void tell_of_lapse(void) {
    if (!has_lapsed) return;
    has_lapsed = false;
    deliver((char[9]){'L'}, 9);
}

static void tell(const void *bytes, size_t length) {
    tell_of_lapse(); // which explains what comes next
    deliver(bytes, length);
}

static void tell_number(char kind, uint32_t id, uint32_t number) {
    char packet[9] = {kind};
    memcpy(packet + 1, &id, 4);
    memcpy(packet + 5, &number, 4);
    tell(packet, sizeof packet);
}

/// Reads the order out of a packet; false where the packet is cut or too long.
static bool read_order(char *bytes, size_t length, struct order *order) {
    uint32_t words[5];
    if (length < 1 + sizeof words || bytes[length - 1] != 0) return false;
    memcpy(words, bytes + 1, sizeof words);
    uint32_t argc = words[2], envc = words[3], bindc = words[4];
    if (words[1] > PROBE || argc > MAX_WORDS || envc > MAX_WORDS || bindc > MAX_WORDS) return false;
    if ((argc == 0) != (words[1] == PROBE)) return false;
    char *next = bytes + 1 + sizeof words, *end = bytes + length;
    order->id = words[0];
    order->kind = (enum kind)words[1];
    order->bind_count = bindc;
    for (uint32_t index = 0; index < argc + envc + 2 * bindc; index++, next += strlen(next) + 1) {
        if (next >= end) return false;
        if (index < argc) order->arguments[index] = next;
        else if (index < argc + envc) order->environment[index - argc] = next;
        else if ((index - argc - envc) % 2 == 0) order->binds[(index - argc - envc) / 2].source = next;
        else order->binds[(index - argc - envc) / 2].target = next;
    }
    order->arguments[argc] = order->environment[envc] = NULL;
    return true;
}

static void start(const struct order *order) {
    // What goes wrong from the first step on is said where the worker listens.
    int ours = fcntl(2, F_DUPFD_CLOEXEC, 10);
    dup2(order->fds[2], 2);
    pid_t pid = sandbox_fork(tier.tier, tier.user);
    if (pid == 0) become(order, &tier);
    int error = errno;
    dup2(ours, 2);
    close(ours);
    errno = error;
    if (pid < 0) {
        tell_number('F', order->id, (uint32_t)errno);
        return;
    }
    remember((struct child){.pid = pid, .id = order->id});
    tell_number('P', order->id, (uint32_t)pid);
}

static uint64_t microseconds(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void reap(void) {
    siginfo_t ended;
    while (ended.si_pid = 0, waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0) {
        pid_t pid = ended.si_pid;
        struct rusage usage;
        int status = 0;
        kill(-pid, SIGKILL);
        if (wait4(pid, &status, 0, &usage) != pid) continue;
        for (size_t index = 0; index < count; index++) {
            if (children[index].pid != pid) continue;
            struct child child = children[index];
            children[index] = children[--count];
            char packet[33] = {'X'};
            uint32_t word = (uint32_t)status;
            uint64_t amounts[3] = {
                microseconds(usage.ru_utime), microseconds(usage.ru_stime), (uint64_t)usage.ru_maxrss};
            memcpy(packet + 1, &child.id, 4);
            memcpy(packet + 5, &word, 4);
            memcpy(packet + 9, amounts, sizeof amounts);
            tell(packet, sizeof packet);
            break;
        }
    }
}

/// The worker's word that the scripts are still its own; nothing ends before the first one. The clock runs on while the
/// machine sleeps.
static void renew_lease(uint32_t milliseconds) {
    struct itimerspec once = {
        .it_value = {.tv_sec = milliseconds / 1000, .tv_nsec = (milliseconds % 1000) * 1000000L + 1}};
    if (timerfd_settime(LEASE, 0, &once, NULL) != 0) die("timerfd_settime");
}

/// Takes one packet; false at the socket's end.
static bool obey(void) {
    static char bytes[MAX_PACKET];
    union {
        char room[CMSG_SPACE(MOST_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec data = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    struct order order = {};
    size_t arrived = 0;

    ssize_t length = recvmsg(WORKER, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length < 0) return errno == EINTR || errno == EAGAIN;
    if (length == 0) return false;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS) {
        arrived = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(order.fds, CMSG_DATA(header), arrived * sizeof(int));
    }
    uint32_t id = 0;
    if (length >= 5) memcpy(&id, bytes + 1, 4);
    switch (bytes[0]) {
    case 'S':
        if (arrived == MOST_FDS && !(message.msg_flags & MSG_TRUNC) && read_order(bytes, (size_t)length, &order)) start(&order);
        else tell_number('F', id, EINVAL);
        break;
    case 'K':
        for (size_t index = 0; index < count; index++)
            if (children[index].id == id) kill_with_group(children[index].pid);
        break;
    case 'B': tell_number('B', id, fork_and_hear()); break;
    case 'L':
        if (length == 9) {
            uint32_t milliseconds;
            memcpy(&milliseconds, bytes + 5, 4);
            renew_lease(milliseconds);
        }
        break;
    }
    for (size_t index = 0; index < arrived; index++) close(order.fds[index]);
    return true;
}

/// Ends every process that was started, for ten seconds at most.
static void end_all(void) {
    for (size_t index = 0; index < count; index++) kill_with_group(children[index].pid);
    for (int round = 0; round < 2000; round++) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {}
        if (pid < 0 && errno == ECHILD) return;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static void remove_run_directory(const char *path) {
    DIR *entries = fdopendir(RUN_DIRECTORY);
    if (!entries) return;
    for (struct dirent *entry; (entry = readdir(entries));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(RUN_DIRECTORY, name, 0) == 0) continue;
        unlinkat(RUN_DIRECTORY, name, AT_REMOVEDIR);
    }
    closedir(entries);
    rmdir(path);
}

/// Removes control groups that the worker made, and has not removed because it was killed. The kernel takes its time for
/// the last of their processes: two seconds at most.
static void remove_groups(char *paths) {
    for (char *path = strtok(paths, ":"); path; path = strtok(NULL, ":")) {
        for (int round = 0; round < 100; round++) {
            DIR *entries = opendir(path);
            if (!entries) break;
            for (struct dirent *entry; (entry = readdir(entries));)
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.') unlinkat(dirfd(entries), entry->d_name, AT_REMOVEDIR);
            closedir(entries);
            if (rmdir(path) == 0) break;
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
    }
}

/// Reads the tier and the user; false where they are none.
static bool read_tier(char **arguments) {
    static char workshop[4096];
    char *end;
    unsigned long number = strtoul(arguments[2], &end, 10);
    if (*end || number > SANDBOX_A) return false;
    tier.tier = (enum sandbox_tier)number;
    tier.user = SAME_USER;
    if (strcmp(arguments[3], "-") != 0) {
        tier.user = (uint32_t)strtoul(arguments[3], &end, 10);
        if (*end) return false;
    }
    tier.workshop = workshop;
    return snprintf(workshop, sizeof workshop, "%s/root", arguments[1]) < (int)sizeof workshop;
}

int main(int argc, char **argv) {
    if (argc != 5 || !read_tier(argv)) {
        dprintf(2, "cell is started by scriptorium and is of no use alone\n");
        return 2;
    }
    sigset_t children_end;
    sigemptyset(&children_end);
    sigaddset(&children_end, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children_end, NULL);
    int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM};
    for (size_t index = 0; index < sizeof ignored / sizeof *ignored; index++) signal(ignored[index], SIG_IGN);

    int directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) die(argv[1]);
    int signals = signalfd(-1, &children_end, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) die("signalfd");
    int lease = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (lease < 0) die("timerfd_create");
    // Fixed numbers, so that what arrives for a child never stands where it must go. All go out of the way first.
    int found[] = {signals, directory, lease}, fixed[] = {SIGNALS, RUN_DIRECTORY, LEASE};
    for (size_t index = 0; index < 3; index++)
        if ((found[index] = fcntl(found[index], F_DUPFD_CLOEXEC, 10)) < 0) die("descriptors");
    for (size_t index = 0; index < 3; index++)
        if (dup3(found[index], fixed[index], O_CLOEXEC) < 0) die("descriptors");
    if (close_range(LEASE + 1, ~0U, 0) != 0) die("close_range");
    fcntl(WORKER, F_SETFD, FD_CLOEXEC);

    // Lets processes that started behind the others come forward again (20 stands for nice 0); only root can raise it.
    setrlimit(RLIMIT_NICE, &(struct rlimit){.rlim_cur = 20, .rlim_max = 20});
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) die("subreaper");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);

    struct pollfd watched[] = {
        {.fd = WORKER, .events = POLLIN}, {.fd = SIGNALS, .events = POLLIN},
        {.fd = LEASE, .events = POLLIN}};
    for (bool connected = true; connected;) {
        if (poll(watched, 3, -1) < 0 && errno != EINTR) die("poll");
        if (watched[1].revents) {
            struct signalfd_siginfo drained[16];
            while (read(SIGNALS, drained, sizeof drained) > 0) {}
            reap();
        }
        if (watched[0].revents) connected = obey();
        if (watched[2].revents) lapse();
        tell_of_lapse();
    }
    end_all();
    remove_run_directory(argv[1]);
    remove_groups(argv[4]);
    return 0;
}
