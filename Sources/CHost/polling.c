// A poller in small numbers: the flags and the packed union of epoll are not to be had in Swift.
#include "polling.h"

#include <stddef.h>

enum { CHUNK = 64 };

int host_poller(void) {
    return epoll_create1(EPOLL_CLOEXEC);
}

static int control(int operation, int poller, int fd, uint64_t token, uint32_t what) {
    struct epoll_event event = {
        .events = (what & HOST_READABLE ? EPOLLIN | EPOLLRDHUP : 0) | (what & HOST_WRITABLE ? EPOLLOUT : 0),
        .data.u64 = token,
    };
    return epoll_ctl(poller, operation, fd, &event);
}

int host_watch(int poller, int fd, uint64_t token, uint32_t what) {
    return control(EPOLL_CTL_ADD, poller, fd, token, what);
}

int host_change_watch(int poller, int fd, uint64_t token, uint32_t what) {
    return control(EPOLL_CTL_MOD, poller, fd, token, what);
}

void host_unwatch(int poller, int fd) {
    epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
}

int host_poll(int poller, struct host_event *events, int capacity, int milliseconds) {
    struct epoll_event found[CHUNK];
    int count = epoll_wait(poller, found, capacity < CHUNK ? capacity : CHUNK, milliseconds);
    for (int index = 0; index < count; index++) {
        uint32_t what = found[index].events;
        events[index].token = found[index].data.u64;
        events[index].what = (what & (EPOLLIN | EPOLLRDHUP) ? HOST_READABLE : 0)
            | (what & EPOLLOUT ? HOST_WRITABLE : 0) | (what & (EPOLLHUP | EPOLLERR) ? HOST_HUNG_UP : 0);
    }
    return count < 0 ? 0 : count;
}
