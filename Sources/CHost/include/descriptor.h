#pragma once

#include <sys/types.h>

/// A descriptor that becomes readable when the child ends; -1 and errno where that fails. Closed on exec.
int host_pidfd(pid_t child);

/// A counter to wake a thread in poll: readable after `host_wake`, until `host_wake_clear`. Closed on exec, never blocks.
int host_wake_open(void);
void host_wake(int descriptor);
void host_wake_clear(int descriptor);
