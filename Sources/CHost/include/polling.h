#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/// What a descriptor is watched for, and what happened to it.
enum : uint32_t {
    HOST_READABLE = 1,
    HOST_WRITABLE = 2,
    /// The other side is gone or the descriptor is broken.
    HOST_HUNG_UP = 4,
};

/// One thing that happened.
struct host_event {
    /// What `host_watch` was given.
    uint64_t token;
    uint32_t what;
};

/// A new poller; -1 with errno.
int host_poller(void);

/// Watches `fd` for `what`; 0 is for nothing but a hang-up. Returns 0, or -1 with errno.
int host_watch(int poller, int fd, uint64_t token, uint32_t what);

/// Watches `fd`, which is watched, for something else. Returns 0, or -1 with errno.
int host_change_watch(int poller, int fd, uint64_t token, uint32_t what);

/// Watches `fd` no more.
void host_unwatch(int poller, int fd);

/// Waits for at most `milliseconds` (-1: for ever). Returns the number of events, at most `capacity`.
int host_poll(int poller, struct host_event *events, int capacity, int milliseconds);
