#pragma once
#include <sys/types.h>

/// Descriptors that one packet carries at most.
#define HOST_MAX_FDS 4

/// Makes two connected sockets, both close-on-exec. `type` is SOCK_STREAM or SOCK_SEQPACKET.
/// Returns 0, or -1 with errno.
int host_socketpair(int type, int ends[2]);

/// Makes a pipe, both ends close-on-exec; the first is for reading. Returns 0, or -1 with errno.
int host_pipe(int ends[2]);

/// Sends one packet with `count` descriptors, which stay open here. Never blocks and never raises SIGPIPE.
/// Returns the bytes sent, or -1 with errno.
ssize_t host_send(int socket, const void *bytes, size_t length, const int *fds, int count);

/// Receives one packet without blocking. `*count` becomes the number of descriptors that came with it (at most
/// HOST_MAX_FDS, close-on-exec, the caller's). A packet that does not fit gives EMSGSIZE.
/// Returns the bytes received, 0 at the end, or -1 with errno.
ssize_t host_receive(int socket, void *bytes, size_t capacity, int fds[HOST_MAX_FDS], int *count);
