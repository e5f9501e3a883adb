// From fork to exec: what holds a script's process is there before it reads a tenant's byte.
#define _GNU_SOURCE
#include "cell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

_Noreturn static void fail(const char *what, const char *name) {
    dprintf(2, "cell: %s %s: %s\n", what, name, strerror(errno));
    _exit(127);
}

/// The kernel rather ends a script than the worker or the database.
static void offer_to_oom_killer(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    if (write(file, "1000", 4) < 0) { /* A restricted container may refuse. */ }
    close(file);
}

static void reset_signals(void) {
    sigset_t none;
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void run(const struct order *order) {
    execve(order->arguments[0], order->arguments, order->environment);
    fail("can not run", order->arguments[0]);
}

_Noreturn void become(const struct order *order, const struct tier *tier) {
    reset_signals();
    if (setsid() < 0) fail("can not make", "a session");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fail("can not bind to", "its parent");
    offer_to_oom_killer();
    sandbox_settle(tier->tier, tier->user, tier->workshop, order->binds, order->bind_count);
    if (order->kind == ZYGOTE) {
        // It has descriptors for each of its children.
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 1024, .rlim_max = 1024});
        if (dup2(order->fds[0], SANDBOX_FRAMES) < 0 || dup2(order->fds[1], 1) < 0) _exit(127);
        if (close_range(SANDBOX_KEPT + 1, ~0U, 0) != 0) fail("can not close", "descriptors");
        sandbox_become_zygote(tier->tier);
        // A change of user forgets the parent's death signal.
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fail("can not bind to", "its parent");
        run(order);
    }
    sandbox_enter(tier->tier, order->fds[3], false);
    pid_t script = fork();
    if (script < 0) fail("can not fork", "the script's process");
    if (script > 0) sandbox_watch(script);
    // A start takes long and nobody waits for it; its init lets it come forward once it has a job, where there is a way back.
    struct rlimit nice = {};
    if (getrlimit(RLIMIT_NICE, &nice) == 0 && nice.rlim_cur >= 20) setpriority(PRIO_PROCESS, 0, 5);
    sandbox_confine(order->fds[0], order->fds[1], order->fds[2]);
    if (order->kind == PROBE) _exit(0);
    run(order);
}
