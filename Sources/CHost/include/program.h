#pragma once

#include <sys/types.h>

/// Starts a program in a process group of its own, with "/" as its directory, nothing on stdin, `output` as stdout and
/// stderr, no other descriptor, and default signals.
/// The parent, as PR_SET_PDEATHSIG sees it, is the calling thread.
/// Returns 0 and the child's id, or an errno.
int host_start_program(const char *path, const char *const arguments[], const char *const environment[], int output, pid_t *child);
