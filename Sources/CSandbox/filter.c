// The filter of system calls. Its programs are made by the compiler; only a process's own number is filled in.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the filter of system calls is not written for this processor"
#endif

// The headers of Debian 12 do not know them yet.
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define TERMINAL_INPUT 0x5412 // TIOCSTI
#define TERMINAL_LINUX 0x541C // TIOCLINUX

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (field))
#define CALL offsetof(struct seccomp_data, nr)
/// The lower half of an argument.
#define ARGUMENT(index) (offsetof(struct seccomp_data, args) + 8 * (index))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE(error) RETURN(SECCOMP_RET_ERRNO | (error))
#define UNLESS_EQUAL(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skipped))
#define IF_EQUAL(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skipped), 0)
#define UNLESS_ANY(bits, skipped) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 0, (skipped))
#define IF_ANY(bits, skipped) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (skipped), 0)

/// The kernel answers that there is no such call, or that it is not permitted.
#define ABSENT(call) UNLESS_EQUAL(SYS_##call, 1), REFUSE(ENOSYS)
#define DENY(call) UNLESS_EQUAL(SYS_##call, 1), REFUSE(EPERM)
/// Denied unless the argument has this value.
#define ONLY(call, index, value)                                                                                       \
    UNLESS_EQUAL(SYS_##call, 4), LOAD(ARGUMENT(index)), IF_EQUAL((value), 1), REFUSE(EPERM), LOAD(CALL)
/// Denied where the argument has this value.
#define EXCEPT(call, index, value)                                                                                     \
    UNLESS_EQUAL(SYS_##call, 4), LOAD(ARGUMENT(index)), UNLESS_EQUAL((value), 1), REFUSE(EPERM), LOAD(CALL)

/// Pairs that stay what they are. An end of a pair for datagrams, which is also what a raw one is, can be connected anew,
/// and so speak to every socket whose file it can reach; Landlock does not look at that.
#define CONNECTED_PAIRS_ONLY                                                                                           \
    UNLESS_EQUAL(SYS_socketpair, 9), LOAD(ARGUMENT(0)), IF_EQUAL(AF_UNIX, 1), REFUSE(EPERM), LOAD(ARGUMENT(1)),        \
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xF), IF_EQUAL(SOCK_STREAM, 2), IF_EQUAL(SOCK_SEQPACKET, 1),               \
        REFUSE(EPERM), LOAD(CALL)

static const struct sock_filter common[] = {
    // The other architectures that the kernel runs have other numbers.
    LOAD(offsetof(struct seccomp_data, arch)),
    IF_EQUAL(ARCHITECTURE, 1),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    LOAD(CALL),
#ifdef __x86_64__
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000 /* x32 */, 0, 1),
    RETURN(SECCOMP_RET_KILL_PROCESS),
#endif
    // Into other processes.
    DENY(ptrace), DENY(process_vm_readv), DENY(process_vm_writev), DENY(process_madvise), DENY(pidfd_getfd), DENY(kcmp),
    DENY(move_pages), DENY(migrate_pages), DENY(perf_event_open),
    // What changes a process may change the calling one only.
    ONLY(prlimit64, 0, 0), ONLY(sched_setaffinity, 0, 0), ONLY(sched_setscheduler, 0, 0), ONLY(sched_setparam, 0, 0),
    ONLY(sched_setattr, 0, 0), ONLY(setpriority, 0, 0), ONLY(setpriority, 1, 0), ONLY(ioprio_set, 1, 0),
    // The arguments of clone3 can not be seen; without it, clone is used.
    ABSENT(clone3),
    UNLESS_EQUAL(SYS_clone, 4), LOAD(ARGUMENT(0)),
    UNLESS_ANY(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET, 1),
    REFUSE(EPERM), LOAD(CALL),
    DENY(unshare), DENY(setns),
    // No network, and nothing that joins processes across cells.
    DENY(socket), CONNECTED_PAIRS_ONLY, ABSENT(io_uring_setup), ABSENT(io_uring_enter), ABSENT(io_uring_register),
    DENY(shmget), DENY(shmat), DENY(semget), DENY(msgget), DENY(mq_open), DENY(mq_unlink),
    DENY(keyctl), DENY(add_key), DENY(request_key),
    // Files and mounts.
    DENY(mount), DENY(umount2), DENY(pivot_root), DENY(chroot), DENY(open_tree), DENY(move_mount), DENY(fsopen),
    DENY(fsconfig), DENY(fsmount), DENY(fspick), DENY(mount_setattr), DENY(name_to_handle_at), DENY(open_by_handle_at),
    // What is written to a file without a name is in nobody's list of pages, and so in no measurement of ours.
    ABSENT(memfd_create),
    DENY(mknodat), DENY(fanotify_init), DENY(quotactl), DENY(swapon), DENY(swapoff), DENY(acct),
    EXCEPT(ioctl, 1, TERMINAL_INPUT), EXCEPT(ioctl, 1, TERMINAL_LINUX),
    // The kernel itself.
    DENY(bpf), DENY(userfaultfd), DENY(memfd_secret), DENY(kexec_load), DENY(init_module), DENY(finit_module),
    DENY(delete_module), DENY(reboot), DENY(syslog), DENY(settimeofday), DENY(clock_settime), DENY(adjtimex),
    DENY(clock_adjtime), DENY(sethostname), DENY(setdomainname), DENY(vhangup), DENY(mbind), DENY(set_mempolicy),
    ONLY(personality, 0, 0xFFFFFFFF),
#ifdef __x86_64__
    DENY(mknod), DENY(iopl), DENY(ioperm), DENY(modify_ldt), DENY(kexec_file_load), DENY(uselib), DENY(ustat),
#endif
};

/// The calling process's number, which is not known before.
#define SELF 0xFEEDFACE

/// Where no namespace parts processes: a script has one, with threads, and can speak of no other.
static const struct sock_filter alone[] = {
    UNLESS_EQUAL(SYS_clone, 4), LOAD(ARGUMENT(0)), IF_ANY(CLONE_THREAD, 1), REFUSE(EPERM), LOAD(CALL),
    ONLY(kill, 0, SELF), ONLY(tgkill, 0, SELF), ONLY(rt_sigqueueinfo, 0, SELF), ONLY(rt_tgsigqueueinfo, 0, SELF),
    DENY(tkill), DENY(pidfd_open), DENY(pidfd_send_signal),
    // It ends with its init.
    EXCEPT(prctl, 0, PR_SET_PDEATHSIG),
    // Landlock does not look at these, and the files may be those of our own user.
    DENY(fchmod), DENY(fchmodat), DENY(fchmodat2), DENY(fchown), DENY(fchownat), DENY(utimensat), DENY(setxattr),
    DENY(lsetxattr), DENY(fsetxattr), DENY(removexattr), DENY(lremovexattr), DENY(fremovexattr), DENY(truncate),
#ifdef __x86_64__
    DENY(fork), DENY(vfork), DENY(chmod), DENY(chown), DENY(lchown), DENY(utime), DENY(utimes), DENY(futimesat),
#endif
};

static const struct sock_filter allowed[] = {RETURN(SECCOMP_RET_ALLOW)};

#define COUNT(array) (sizeof(array) / sizeof *(array))

void sandbox_filter_calls(enum sandbox_tier tier) {
    struct sock_filter program[COUNT(common) + COUNT(alone) + COUNT(allowed)];
    size_t length = COUNT(common);
    memcpy(program, common, sizeof common);
    if (tier < SANDBOX_B) {
        memcpy(program + length, alone, sizeof alone);
        for (size_t end = length + COUNT(alone); length < end; length++)
            if (program[length].k == SELF) program[length].k = (uint32_t)getpid();
    }
    memcpy(program + length, allowed, sizeof allowed);
    struct sock_fprog filter = {.len = (unsigned short)(length + COUNT(allowed)), .filter = program};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0) sandbox_fail("can not filter system calls", NULL);
}
