// What keeps a script from the other processes of its user: its zygote, its neighbours, and those that are parked.
//
// A Landlock domain closes everything that asks for the right to trace a process (ptrace, /proc/PID/mem and its like), for
// each process that makes one: the children of a zygote each make their own. From Linux 6.12 on it closes signals too.
// The filter closes the system calls that reach into a process, also where the kernel has no Landlock, and those that
// change another process without asking for that right.
#define _GNU_SOURCE
#include "cell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the filter of system calls is not written for this processor"
#endif

// The headers of Debian 12 do not know it yet.
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

/// The attributes of a rule set as Linux 6.12 has them; an older kernel takes the first ones.
struct rules {
    uint64_t files, network, scopes;
};

enum { SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2 };

int make_domain_rules(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) return -1;
    if (version >= 6) {
        struct rules rules = {.scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS};
        return (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    }
    // A domain must forbid something: making device files, which the scripts' user can not do anyway. Moving files between
    // directories is forbidden by any rule about files that does not allow it.
    struct rules rules = {.files = LANDLOCK_ACCESS_FS_MAKE_BLOCK | (version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0)};
    int set = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules.files, 0);
    if (set < 0 || version < 2) return set;
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct landlock_path_beneath_attr all = {.allowed_access = LANDLOCK_ACCESS_FS_REFER, .parent_fd = root};
    long failed = syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &all, 0);
    close(root);
    if (failed == 0) return set;
    close(set);
    return -1;
}

bool enter_domain(int rules) {
    return syscall(SYS_landlock_restrict_self, rules, 0) == 0;
}

/// These reach into another process.
static const uint32_t denied[] = {
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_pidfd_getfd, SYS_kcmp,
    SYS_move_pages, SYS_migrate_pages, SYS_perf_event_open,
};

/// These change a process, and may change the calling one only: the argument that names it must be 0.
static const struct {
    uint32_t call;
    uint32_t argument;
} own_only[] = {
    {SYS_prlimit64, 0}, {SYS_sched_setaffinity, 0}, {SYS_sched_setscheduler, 0}, {SYS_sched_setparam, 0},
    {SYS_sched_setattr, 0}, {SYS_setpriority, 0}, {SYS_setpriority, 1}, {SYS_ioprio_set, 1},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(field))
#define CALL offsetof(struct seccomp_data, nr)
/// The lower half of an argument; a process's number has no upper one.
#define ARGUMENT(index) (offsetof(struct seccomp_data, args) + 8 * (index))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define UNLESS_EQUAL(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skipped))
#define UNLESS_OTHER(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skipped), 0)

bool filter_system_calls(void) {
    const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
    struct sock_filter program[8 + 2 * COUNT(denied) + 5 * COUNT(own_only)];
    size_t length = 0;
#define ADD(...) (program[length++] = (struct sock_filter)__VA_ARGS__)
    // The other architectures that the kernel runs have other numbers.
    ADD(LOAD(offsetof(struct seccomp_data, arch)));
    ADD(UNLESS_OTHER(ARCHITECTURE, 1));
    ADD(RETURN(SECCOMP_RET_KILL_PROCESS));
    ADD(LOAD(CALL));
#ifdef __x86_64__
    ADD(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000 /* x32 */, 0, 1));
    ADD(RETURN(SECCOMP_RET_KILL_PROCESS));
#endif
    for (size_t index = 0; index < COUNT(denied); index++) {
        ADD(UNLESS_EQUAL(denied[index], 1));
        ADD(RETURN(refuse));
    }
    for (size_t index = 0; index < COUNT(own_only); index++) {
        ADD(UNLESS_EQUAL(own_only[index].call, 4));
        ADD(LOAD(ARGUMENT(own_only[index].argument)));
        ADD(UNLESS_OTHER(0, 1));
        ADD(RETURN(refuse));
        ADD(LOAD(CALL));
    }
    ADD(RETURN(SECCOMP_RET_ALLOW));
#undef ADD
    struct sock_fprog filter = {.len = (unsigned short)length, .filter = program};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}
