#pragma once
#include "sandbox.h"

/// Says what can not be done, and why, and ends the process.
_Noreturn void sandbox_fail(const char *what, const char *name);

/// Maps the calling process's own user and group to 0 of the namespace that it has just made. `proc` is where /proc is.
void sandbox_map_own_user(int proc, uint32_t user, uint32_t group);

/// The rules of a Landlock domain: read and execute `binds`, or everything where there are none; write what is in
/// `writable`; reach nobody outside. A descriptor, or -1 where the kernel has no Landlock.
int sandbox_make_rules(const struct sandbox_bind *binds, size_t count, const char *writable);

/// Puts the calling process into a new domain. The descriptor is closed.
void sandbox_enter_domain(int rules);

/// Takes from the calling process and all that it starts what a script has no need for.
void sandbox_filter_calls(enum sandbox_tier tier);

/// Leaves the calling process those of its capabilities that are in `kept`, a bit each.
void sandbox_keep_capabilities(uint64_t kept);

/// Leaves all that it starts no others than these.
void sandbox_bound_capabilities(uint64_t kept);

/// Mounts an empty directory in memory for `user` on /tmp.
void sandbox_mount_temporary(uint32_t user, uint64_t bytes);

/// Sets what the mounted one holds at most; false with errno where that fails.
bool sandbox_resize_temporary(uint64_t bytes);
