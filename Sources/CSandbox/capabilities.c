// Capabilities: root's rights in a namespace.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void sandbox_keep_capabilities(uint64_t kept) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {};
    for (int half = 0; half < 2; half++) data[half].permitted = data[half].effective = (uint32_t)(kept >> (32 * half));
    if (syscall(SYS_capset, &header, data) != 0) sandbox_fail("can not give up capabilities", NULL);
}

void sandbox_bound_capabilities(uint64_t kept) {
    for (unsigned long number = 0; number < 64; number++) {
        if (kept >> number & 1) continue;
        if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
        // Past the last one that the kernel knows; or there is none to give up.
        if (errno == EINVAL || errno == EPERM) break;
        sandbox_fail("can not give up a capability", NULL);
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    // For a process that is root in its namespace, and no more than a number there.
    if (!kept) prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
}

void sandbox_become_zygote(enum sandbox_tier tier) {
    if (tier < SANDBOX_B) return;
    uint64_t kept = 1ULL << CAP_KILL | 1ULL << CAP_SETGID | 1ULL << CAP_SETUID | 1ULL << CAP_SETPCAP
        | 1ULL << CAP_SYS_ADMIN | 1ULL << CAP_SYS_RESOURCE;
    // Its children map its root into namespaces of their own, which wants this one (user_namespaces(7)).
    if (tier == SANDBOX_B) kept |= 1ULL << CAP_SETFCAP;
    sandbox_bound_capabilities(kept);
    sandbox_keep_capabilities(kept);
}
