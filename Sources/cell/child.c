// From fork to exec: everything that confines a script's process happens here, before it reads a tenant's byte.
#define _GNU_SOURCE
#include "cell.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

_Noreturn static void fail(const char *what, const char *name) {
    dprintf(2, "cell: %s%s%s: %s\n", what, name ? " " : "", name ? name : "", strerror(errno));
    _exit(127);
}

static void limit(int resource, rlim_t most) {
    struct rlimit now, wanted = {.rlim_cur = most, .rlim_max = most};
    if (getrlimit(resource, &now) == 0 && now.rlim_max < most) wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
    if (setrlimit(resource, &wanted) != 0) fail("can not set a limit", NULL);
}

/// The kernel rather ends a script than the worker or the database.
static void offer_to_oom_killer(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    if (write(file, "1000", 4) < 0) { /* A restricted container may refuse. */ }
    close(file);
}

/// The first descriptor that is free.
enum { DOMAIN_RULES = 4 };

_Noreturn void become(const struct order *order, pid_t cell) {
    static const int wanted[3] = {3, 1, 2};
    bool changes_user = order->uid != SAME_USER;

    // 1. Its place among the processes.
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (setsid() < 0) fail("can not make a session", NULL);
    offer_to_oom_killer();

    // 2. Its descriptors. Cell itself holds 3 to 6, so those that arrived are above.
    for (int index = 0; index < 3; index++)
        if (dup2(order->fds[index], wanted[index]) < 0) _exit(127);
    if (close_range(4, ~0U, 0) != 0) fail("can not close descriptors", NULL);

    // 3. Limits. Processes are counted for each user, so the number means something only where scripts have their own;
    //    threads count as well.
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, 256);
    limit(RLIMIT_FSIZE, (rlim_t)64 << 20);
    // A backstop for the host, far above what a tenant is given: the quota itself is not this one's work.
    limit(RLIMIT_DATA, (rlim_t)1 << 30);
    if (changes_user) limit(RLIMIT_NPROC, 4096);
    umask(077);

    // 4. Its user.
    if (changes_user) {
        if (setgroups(0, NULL) != 0) fail("can not leave the groups", NULL);
        if (setresgid(order->uid, order->uid, order->uid) != 0) fail("can not change the group", NULL);
        if (setresuid(order->uid, order->uid, order->uid) != 0) fail("can not change the user", NULL);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("can not give up privileges", NULL);
    // A change of user forgets the parent's death signal.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fail("can not bind to the parent", NULL);
    if (getppid() != cell) _exit(127);

    // 5. Its directory.
    if (chdir(order->directory) != 0) fail("can not enter", order->directory);

    // 6. A wall between it and other processes. The rest of the sandbox belongs here as well, its namespaces before step 4.
    int rules = make_domain_rules();
    if (rules >= 0) {
        if (!enter_domain(rules)) fail("can not enter a domain", NULL);
        if (!order->forks) close(rules);
        else if (rules != DOMAIN_RULES || fcntl(rules, F_SETFD, 0) != 0) fail("can not pass on the domain's rules", NULL);
    }
    if (!filter_system_calls()) fail("can not filter system calls", NULL);

    execve(order->arguments[0], order->arguments, order->environment);
    fail("can not run", order->arguments[0]);
}
