#pragma once
#include <stdint.h>
#include <sys/types.h>

/// Starts a program with `socket` as descriptor 3, standard error as ours, and nothing else: no environment, no other
/// descriptor, a session of its own. The four texts are its arguments.
/// Returns 0 and the process in `*pid`, or an error number.
int host_spawn_cell(
    const char *path, const char *directory, const char *tier, const char *user, const char *groups, int socket,
    pid_t *pid);

/// Sends a signal to the process that `pidfd` stands for (see descriptor.h). Returns 0, or -1 with errno.
int host_pidfd_signal(int pidfd, int signal);

/// The processor time that a process has used, in microseconds; -1 where it is gone.
int64_t host_cpu_microseconds(pid_t pid);
